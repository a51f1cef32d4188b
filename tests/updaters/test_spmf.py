"""SPMF: who is in the reservoir, who is drawn from it, and in which order an update reads."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
import torch
from torch import Tensor

from asmg_pl.data.log import InteractionLog, Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.updaters import SPMF, IncrementalUpdate, Updater

Walk = Callable[..., Updater]
PERIOD = 100  # rows
ROWS = range(9 * PERIOD)
LOG = InteractionLog.from_frame(
    pl.DataFrame(
        {"user": [1] * len(ROWS), "item": [1] * len(ROWS), "label": [int(n % 3 > 0) for n in ROWS], "time": ROWS}
    )
)


@pytest.fixture
def spmf(monkeypatch: pytest.MonkeyPatch) -> Callable[..., SPMF]:
    """SPMF on a stream whose rows 0, 3, 6, … are negative; the first ``early`` ones belong to no period."""

    def build(seed: int = 0, early: int = 0, **options: Any) -> SPMF:
        data = SimpleNamespace(
            seed=seed,
            log=LOG,
            rows_of=lambda first, last=None: range(early + (first - 1) * PERIOD, early + (last or first) * PERIOD),
        )
        monkeypatch.setattr(SPMF, "data", data)
        updater = SPMF(Sizes(5, 5), pretrain_periods=2, **options)
        updater.fill()
        return updater

    return build


@pytest.mark.slow
def test_the_reservoirs_are_a_random_share_of_the_pretraining_rows_of_each_label(spmf: Callable[..., SPMF]) -> None:
    counts = torch.zeros(2 * PERIOD)
    for seed in range(300):
        reservoir = spmf(seed).reservoir
        for label, size in [(0, 20), (1, 39)]:  # 67 and 133 rows, 0.3 of each
            assert len(set(reservoir[label].tolist())) == size
            assert ((reservoir[label] % 3 > 0) == bool(label)).all()
            counts[reservoir[label]] += 1
    spread = (300 * 0.3 * 0.7) ** 0.5
    assert (counts - 300 * 0.295).abs().max() < 4.5 * spread


@pytest.mark.slow
@pytest.mark.parametrize("early", [0, 3 * PERIOD])
def test_a_new_row_enters_with_the_reservoirs_share_of_the_rows_so_far(spmf: Callable[..., SPMF], early: int) -> None:
    """And whoever leaves is chosen alike among those who were there; rows before the first period do not count."""
    trials, entered, stayed = 400, torch.zeros(PERIOD), torch.zeros(39)
    for seed in range(trials):
        updater = spmf(seed, early)
        before = updater.reservoir[1] - early
        updater.fill_reservoir(3)
        after = updater.reservoir[1] - early
        assert before.min() >= 0
        assert len(set(after.tolist())) == 39
        entered[after[after >= 2 * PERIOD] - 2 * PERIOD] += 1
        stayed += torch.isin(before, after)
    positives = (torch.arange(2 * PERIOD, 3 * PERIOD) % 3 > 0).nonzero().flatten()
    chance = 39 / (133 + 1 + torch.arange(len(positives)))
    assert entered.sum() == entered[positives].sum()
    assert (entered[positives] - trials * chance).abs().max() < 4.5 * (trials * 0.25) ** 0.5
    assert abs(entered.sum() - trials * chance.sum()) < 4.5 * (trials * (chance * (1 - chance)).sum()) ** 0.5
    share = 1 - chance.sum() / 39
    assert (stayed - trials * share).abs().max() < 4.5 * (trials * share * (1 - share)) ** 0.5


def test_a_reservoir_keeps_its_size_however_long_a_period_is(spmf: Callable[..., SPMF]) -> None:
    updater, entered = spmf(reservoir_share=0.1), torch.zeros(7 * PERIOD)
    updater.data.rows_of = lambda first, last=None: range(0, 10) if first == 1 else range(10, 7 * PERIOD)  # type: ignore[method-assign]
    for _ in range(50):
        updater.data.seed += 1
        updater.reservoir = {0: torch.tensor([0, 3]), 1: torch.tensor([1, 2, 4])}
        updater.fill_reservoir(3)
        for label, size in [(0, 2), (1, 3)]:
            rows = updater.reservoir[label]
            assert len(set(rows.tolist())) == size
            assert ((rows % 3 > 0) == bool(label)).all()
            entered[rows] += 1
    assert entered[:10].sum() < entered[10:].sum()
    assert entered[5 * PERIOD :].any()


def drawn(updater: SPMF, period: int) -> Tensor:
    updater.draw(period)
    return updater.training_rows[updater.training_rows < (period - 1) * PERIOD]


def test_an_update_reads_the_new_rows_and_a_share_of_old_ones_oldest_first(spmf: Callable[..., SPMF]) -> None:
    updater = spmf(replay=0.25)
    old = drawn(updater, 3)
    rows = updater.training_rows
    assert torch.equal(rows, rows.sort().values)
    assert torch.equal(rows[len(old) :], torch.arange(2 * PERIOD, 3 * PERIOD))
    positive = old % 3 > 0  # the period has 67 positives and 33 negatives
    assert (int(positive.sum()), int((~positive).sum())) == (16, 8)
    assert len(set(old.tolist())) == len(old)
    assert torch.isin(old, torch.cat([*updater.reservoir.values()])).all()


def test_a_reservoir_may_be_larger_than_2_to_the_24(spmf: Callable[..., SPMF]) -> None:
    updater = spmf(replay=0.1)
    updater.reservoir[0] = torch.arange(2**24 + 1) - 2**25
    updater.draw(3)
    assert (updater.training_rows < -(2**24)).sum() == 3  # of 33 negatives


@pytest.mark.slow
def test_positives_that_score_low_are_drawn_more_often(spmf: Callable[..., SPMF]) -> None:
    counts = torch.zeros(39)
    for seed in range(600):
        updater = spmf(seed, replay=0.06)  # 4 of 39
        updater._scores = [torch.linspace(2, -2, 39)[:20], torch.linspace(2, -2, 39)[20:]]
        counts += torch.isin(updater.reservoir[1], drawn(updater, 3))
    assert updater._scores == []
    expected = torch.exp(torch.arange(39) / 39)
    expected = expected / expected.sum() * counts.sum()
    assert counts.sum() == 600 * 4
    assert (counts - expected).abs().max() < 4.5 * expected.max().sqrt()
    assert counts[26:].sum() > 1.5 * counts[:13].sum()


def test_the_phases_rank_before_they_update(spmf: Callable[..., SPMF]) -> None:
    updater = spmf(passes=2)
    phases = updater.phases(5)
    assert [(p.name, p.trains, p.repeat) for p in phases] == [
        ("score", False, 0),
        ("rank", False, 0),
        ("update", True, 0),
        ("update", True, 1),
    ]
    assert phases[1].reading.rows is updater.reservoir[1]


def test_without_replay_only_the_order_of_rows_differs_from_incremental_update(short_walk: Walk) -> None:
    updater = short_walk(SPMF, replay=0.0)
    assert isinstance(updater, SPMF)
    assert torch.equal(updater.training_rows, torch.arange(360, 420))
    plain = short_walk(IncrementalUpdate)
    assert repr(updater.results[3]) == repr(plain.results[3])
    assert repr(updater.results[4]) != repr(plain.results[4])


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"reservoir_share": 0.0}, "reservoir_share"),
        ({"replay": -1.0}, "replay"),
        ({"pretrain_periods": 0}, "pretrain"),
    ],
)
def test_bad_settings_are_refused_by_name(arguments: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        SPMF(Sizes(5, 5), **arguments)
