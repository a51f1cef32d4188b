"""The drifting stream: what is planted in it can be found in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from lightning import Trainer

from asmg_pl.callbacks import PeriodLoop
from asmg_pl.data import EqualCounts, InteractionLog, PeriodDataModule
from asmg_pl.data.sources import DriftingStream
from asmg_pl.data.stream import StreamWriter, open_stream
from asmg_pl.errors import ConfigError
from asmg_pl.metrics.results import mean_over
from asmg_pl.recommenders import MatrixFactorization
from asmg_pl.updaters import ASMG, IncrementalUpdate, Updater

#: Everything that changes with time is off.
STILL: dict[str, Any] = {"interest_drift": 0, "trend": 0, "birth": 0, "noise": 0}


def draw(rows: int = 3000, **arguments: Any) -> InteractionLog:
    return DriftingStream(**{"users": 50, "items": 80, "categories": 4, "rows": rows} | arguments).read(None)


def same(one: InteractionLog, other: InteractionLog) -> bool:
    return one.fingerprint(len(one)) == other.fingerprint(len(other))


def spread_over_time(log: InteractionLog, groups: torch.Tensor) -> float:
    """How much the share of positives differs between eighths of the stream, in standard errors, averaged (about 1)."""
    chunks = torch.arange(len(log)) * 8 // len(log)
    deviations = []
    for group in groups.unique():
        inside = groups == group
        rate = log.label[inside].double().mean()
        for chunk in range(8):
            part = log.label[inside & (chunks == chunk)].double()
            if len(part) > 30:
                deviations.append(((part.mean() - rate) ** 2 * len(part) / (rate * (1 - rate))).item())
    return float(np.mean(deviations)) ** 0.5


def first_category(log: InteractionLog) -> torch.Tensor:
    assert log.categories is not None
    return log.categories[log.item.long(), 0]


def test_the_seed_alone_decides() -> None:
    np.random.seed(1)
    one = draw(seed=3)
    np.random.seed(2)
    assert same(one, draw(seed=3))
    assert torch.equal(one.categories, draw(seed=3).categories)  # type: ignore[arg-type]
    assert not same(one, draw(seed=4))


def test_a_source_reads_the_same_stream_twice() -> None:
    source = DriftingStream(users=10, items=10, rows=100)
    assert same(source.read(None), source.read(None))


def test_sizes_labels_and_times_are_those_asked_for() -> None:
    log = draw()
    assert len(log) == 3000
    assert log.label.unique().tolist() == [0, 1]
    assert 0.3 < log.label.double().mean() < 0.7
    assert (log.time.diff() >= 0).all()
    assert 0 <= log.time[0] < log.time[-1] < 1e9
    assert log.sizes.users <= 50
    assert log.sizes.items <= 80
    assert log.sizes.categories == 4


def test_every_item_has_one_or_two_categories() -> None:
    categories = draw().categories
    assert categories is not None
    counts = (categories >= 0).sum(1)
    assert counts.unique().tolist() == [1, 2]
    assert (categories[counts == 2][:, 0] != categories[counts == 2][:, 1]).all()


def test_the_smallest_stream_can_be_drawn() -> None:
    log = draw(rows=1, users=1, items=1, categories=1)
    assert len(log) == log.sizes.users == log.sizes.items == 1


def test_no_item_is_come_across_before_its_birth() -> None:
    source = DriftingStream(users=50, items=80, categories=4, rows=3000, birth=0.7)
    born = source._items().born
    rows = pl.concat(source.chunks())
    assert 0.5 < (born > 0).mean() < 0.9
    assert (born[rows["item"].to_numpy()] <= (rows["time"].to_numpy() + 1) / 1e9).all()
    assert rows["item"].n_unique() > 60


def test_a_long_stream_is_drawn_in_chunks_each_like_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asmg_pl.data.sources.drift.CHUNK", 700)
    monkeypatch.setattr("asmg_pl.data.sources.drift.CHUNKS_PER_PART", 2)
    source = DriftingStream(users=50, items=80, categories=4, rows=3000)
    chunks = list(source.chunks())
    assert [len(chunk) for chunk in chunks] == [700, 700, 700, 700, 200]
    assert pl.concat(chunks)["time"].is_sorted()
    assert not chunks[0].select("user", "item").equals(chunks[1].select("user", "item"))
    source.write(StreamWriter(tmp_path))
    written, drawn = open_stream(tmp_path), source.read(None)
    assert len(written.parts) == 3
    for column in ("user", "item", "label", "time"):
        assert torch.equal(getattr(written, column), getattr(drawn, column))


def mean_auc(updater: type[Updater], seed: int, season: float = 4, **options: Any) -> float:
    """Of what serves, on the test periods along a stream whose fashions return every 31 / ``season`` periods."""
    torch.manual_seed(seed)
    source = DriftingStream(
        users=100, items=40, rows=31_000, categories=8, seed=seed, **STILL | {"season": season, "trend": 3.0}
    )
    data = PeriodDataModule(source, periods=EqualCounts(31), batch_size=64, history_size=0, seed=seed)
    walked = updater(data.sizes, recommender=MatrixFactorization, pretrain_epochs=3, **options)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=-1,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        callbacks=[PeriodLoop()],
    )
    trainer.fit(walked, data)
    return mean_over(walked.results.values(), "test")["serving_auc"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_who_foresees_parameters_beats_whoever_only_follows_them(seed: int) -> None:
    """Even the incremental update whose steps suit the test periods best; with another seed it differs by .01."""
    settings = [(2e-2, 3), (4e-2, 3), (8e-2, 1)]
    following = max(mean_auc(IncrementalUpdate, seed, learning_rate=rate, passes=passes) for rate, passes in settings)
    assert mean_auc(ASMG, seed, learning_rate=2e-2) > following + 0.04


@pytest.mark.slow
def test_where_nothing_drifts_there_is_nothing_to_foresee() -> None:
    following, foreseeing = (
        mean_auc(updater, seed=1, season=0, learning_rate=2e-2) for updater in (IncrementalUpdate, ASMG)
    )
    assert foreseeing == pytest.approx(following, abs=0.01)


@pytest.mark.parametrize(("birth", "least", "most"), [(0.0, 0, 2), (0.8, 20, 70)])
def test_new_items_go_on_appearing_if_items_are_born(birth: float, least: int, most: int) -> None:
    log = draw(birth=birth)
    late = log.sizes.items - log.item[: len(log) // 2].unique().numel()
    assert least <= late <= most


def test_items_are_come_across_ever_less_as_they_age() -> None:
    log = draw(birth=0.8)
    early_items = log.item[:300].unique()
    shares = [torch.isin(part, early_items).double().mean().item() for part in log.item.chunk(4)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 0.6 * shares[0]


def test_categories_come_into_fashion_and_go_out_of_it() -> None:
    log = draw(20_000, **STILL | {"trend": 3.0})
    assert spread_over_time(log, first_category(log)) > 4


def test_each_users_taste_turns() -> None:
    """Over half a turn, what a user liked at first is disliked in the end."""
    log = draw(20_000, users=8, items=10, **STILL | {"interest_drift": 0.5})
    pair = log.user * 10 + log.item
    assert spread_over_time(log, pair) > 2
    first, last = (
        torch.zeros(80).index_add_(0, pair[part].long(), log.label[part] - 0.5)
        for part in (slice(4000), slice(16_000, None))
    )
    assert torch.corrcoef(torch.stack([first, last]))[0, 1] < -0.5


def test_without_drift_taste_does_not_change() -> None:
    log = draw(20_000, users=8, items=10, **STILL)
    assert spread_over_time(log, log.user * 10 + log.item) == pytest.approx(1, abs=0.2)
    assert spread_over_time(log, first_category(log)) < 1.5


def test_noise_makes_labels_a_coin_toss() -> None:
    log = draw(20_000, users=8, items=10, **STILL | {"noise": 1.0})
    pair = log.user * 10 + log.item
    rates = torch.stack([log.label[pair == p].double().mean() for p in pair.unique() if (pair == p).sum() > 200])
    assert len(rates) > 10
    assert ((rates - 0.5).abs() < 0.15).all()


@pytest.mark.parametrize("name", ["users", "items", "rows", "categories"])
def test_there_must_be_at_least_one_of_everything(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"source\.{name} must be at least 1, got 0"):
        DriftingStream(**{name: 0})


@pytest.mark.parametrize("value", [-0.1, 1.1])
@pytest.mark.parametrize("name", ["birth", "noise"])
def test_a_share_lies_between_0_and_1(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"source\.{name} is a share between 0 and 1, got {value}"):
        DriftingStream(**{name: value})  # type: ignore[arg-type]
