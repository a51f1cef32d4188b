"""The prequential head: what it learns, what it may know, and that it serves as it scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from data.passes import Clicks
from slowness import slow_but
from torch import Tensor

import asmg_pl
from asmg_pl.callbacks import PhaseCheckpoint, ServingExport
from asmg_pl.checkpoints.io import newest_first, read_checkpoint
from asmg_pl.data import Batch, EqualCounts, PeriodDataModule
from asmg_pl.data.negatives import Fresh
from asmg_pl.data.sources import DriftingStream
from asmg_pl.errors import CheckpointError, ConfigError
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.metrics.scored_rows import Gathered
from asmg_pl.serving import Store, open_package
from asmg_pl.serving.head_features import describe
from asmg_pl.serving.headed import Headed
from asmg_pl.updaters import ASMG, SML, IncrementalUpdate, PrequentialHead, Updater
from asmg_pl.updaters.guarding.guard import Choice, Guard
from asmg_pl.updaters.guarding.head import Head
from asmg_pl.updaters.guarding.id_counts import FAST, SLOW, IdCounts
from asmg_pl.updaters.guarding.logistic import Rows, ridge_logistic


def rows_of(count: int, logit: Any, seed: int = 0, users: int = 50, items: int = 30, slope: float = 1.0) -> Gathered:
    """Rows of random users and items, whose log-odds of a click are ``slope`` times their logit."""
    draw = torch.Generator().manual_seed(seed)
    user, item = (torch.randint(n, (count,), generator=draw) for n in (users, items))
    found = logit(user, item) if callable(logit) else logit * torch.randn(count, generator=draw)
    label = (torch.rand(count, generator=draw) < (slope * found).sigmoid()).float()
    return Gathered(label, user, item, {"incremental": found}, (users, items))


def batch_of(rows: Gathered) -> Batch:
    none = torch.zeros(len(rows.label), 0, dtype=torch.int64)
    return Batch(rows.user, rows.item, none, torch.zeros_like(rows.user), rows.label)


def loss(logits: Tensor, label: Tensor) -> float:
    return float(torch.nn.functional.binary_cross_entropy_with_logits(logits.double(), label.double()))


# ---- ridge logistic regression


def test_the_fit_is_the_one_of_least_loss() -> None:
    draw = torch.Generator().manual_seed(1)
    features = torch.cat([torch.ones(500, 1), torch.randn(500, 3, generator=draw)], dim=1)
    label = (torch.rand(500, generator=draw) < (features @ torch.tensor([0.5, 1.0, -2.0, 0.0])).sigmoid()).float()
    weight, centre = torch.rand(500, generator=draw), torch.tensor([0.0, 1.0, 0.0, 0.0]).double()
    rows = Rows(features.double(), label.double(), weight.double())
    found = ridge_logistic([rows], centre, 3.0)
    free = found.clone().requires_grad_()
    of_rows = torch.nn.functional.binary_cross_entropy_with_logits(
        features.double() @ free, label.double(), weight.double(), reduction="sum"
    )
    (of_rows + 1.5 * (free - centre).square().sum()).backward()
    assert free.grad is not None
    assert free.grad.abs().max() < 1e-3
    start = ridge_logistic([rows], centre, 3.0, start=found + 1.0)
    torch.testing.assert_close(start, found, atol=1e-4, rtol=0)
    parts = [Rows(*(each[part] for each in rows)) for part in torch.arange(500).split(180)]
    torch.testing.assert_close(ridge_logistic(parts, centre, 3.0), found)


def test_a_basis_gives_the_fit_of_features_that_were_scaled_before() -> None:
    draw = torch.Generator().manual_seed(2)
    features = torch.cat([torch.ones(300, 1), 5 + 0.1 * torch.randn(300, 2, generator=draw)], dim=1).double()
    label = (torch.rand(300, generator=draw) < 0.4).double()
    weight, centre = torch.ones(300).double(), torch.tensor([0.0, 1.0, 0.0]).double()
    basis = torch.tensor([[1.0, -50.0, -50.0], [0.0, 10.0, 0.0], [0.0, 0.0, 10.0]]).double()
    scaled = ridge_logistic([Rows(features @ basis, label, weight)], centre, 3.0)
    torch.testing.assert_close(ridge_logistic([Rows(features, label, weight)], centre, 3.0, basis=basis), scaled)


def test_rows_that_are_told_apart_wholly_give_finite_coefficients() -> None:
    features = torch.tensor([[1.0, -5.0], [1.0, 5.0]]).repeat(100, 1)
    rows = Rows(features.double(), (features[:, 1] > 0).double(), torch.ones(200).double())
    found = ridge_logistic([rows], torch.zeros(2).double(), 1e-3)
    assert found.isfinite().all()


# ---- what has been seen of ids


def test_counts_decay_and_ids_that_were_never_seen_are_new() -> None:
    counts = IdCounts()
    counts.add(11, torch.tensor([0, 0, 3]), torch.tensor([1.0, 0.0, 1.0]), known=2)
    counts.add(12, torch.tensor([0]), torch.tensor([1.0]), known=4)
    rows, clicks, fast, fast_clicks, first, last = counts.table.unbind(1)
    assert rows[0] == pytest.approx(SLOW * 2 + 1)
    assert clicks[0] == pytest.approx(SLOW + 1)
    assert [float(fast[3]), float(fast_clicks[3])] == [FAST, FAST]
    assert first.tolist() == [-8.0, -8.0, -8.0, 11.0], "ids 0 and 1 were known before, and id 2 was missed"
    assert last[0] == 12.0
    new = describe(counts.table, torch.tensor([0, 1, 3, 4, 1000]), 13, 0.5)[:, 3]
    assert new.tolist() == [0.0, 0.0, 0.0, 1.0, 1.0]


# ---- a head


def test_before_it_has_learned_the_head_is_the_model_itself() -> None:
    rows = rows_of(100, 1.0)
    assert Head(PrequentialHead())(rows.logits, batch_of(rows)) is rows.logits["incremental"]


@pytest.mark.parametrize(("slope", "shift"), [(0.5, 0.0), (2.0, 0.0), (1.0, 1.5)])
def test_it_calibrates_logits_that_are_too_bold_too_shy_or_shifted(slope: float, shift: float) -> None:
    head = Head(PrequentialHead())
    for period in range(11, 14):
        rows = rows_of(4000, 1.0, seed=period, slope=slope)
        head.learn(period, rows._replace(logits={"incremental": rows.logits["incremental"] - shift}))
    rows = rows_of(4000, 1.0, seed=99, slope=slope)
    given = rows.logits["incremental"] - shift
    found = head({"incremental": given}, batch_of(rows))
    ideal = loss(slope * rows.logits["incremental"], rows.label)
    assert loss(given, rows.label) > ideal + 0.01
    assert loss(found, rows.label) < ideal + 0.005


def test_it_learns_what_counts_tell_that_the_model_does_not_know() -> None:
    taste = torch.randn(30, generator=torch.Generator().manual_seed(7))
    head = Head(PrequentialHead())

    def period_of(seed: int) -> Gathered:
        rows = rows_of(4000, lambda user, item: taste[item], seed=seed)
        return rows._replace(logits={"incremental": torch.zeros(4000)})

    for period in range(11, 16):
        head.learn(period, period_of(period))
    rows = period_of(99)
    assert loss(head(rows.logits, batch_of(rows)), rows.label) < loss(torch.zeros(4000), rows.label) - 0.05


def test_it_stacks_two_models_and_one_that_is_not_finite_does_no_harm() -> None:
    def with_generated(rows: Gathered) -> Gathered:
        truth = rows.logits["incremental"]
        return rows._replace(logits={"incremental": 0.2 * truth, "generated": truth})

    head = Head(PrequentialHead())
    for period in range(11, 14):
        head.learn(period, with_generated(rows_of(4000, 1.5, seed=period)))
    rows = with_generated(rows_of(4000, 1.5, seed=99))
    found = loss(head(rows.logits, batch_of(rows)), rows.label)
    assert found < loss(rows.logits["incremental"], rows.label) - 0.05
    broken = rows._replace(logits=rows.logits | {"generated": torch.full((4000,), math.nan)})
    assert head(broken.logits, batch_of(rows)).isfinite().all()
    head.learn(14, broken)
    assert head.coefficients.isfinite().all()


def test_old_rows_are_forgotten_and_rows_are_bounded() -> None:
    settings = PrequentialHead(periods=2, rows=100)
    head, late = Head(settings), Head(settings)
    for period in range(11, 15):
        head.learn(period, rows_of(1000, 1.0, seed=period, slope=3.0 if period < 13 else 0.5))
    late.learn(13, rows_of(1000, 1.0, seed=13, slope=0.5))
    kept = head.get_extra_state()["kept"]
    assert [len(label) for _, label, _ in kept] == [100, 100]
    assert head.coefficients[1] < 1


def test_rows_that_take_turns_are_not_all_of_one_class_in_the_rows_that_are_kept() -> None:
    head = Head(PrequentialHead(rows=100))
    rows = rows_of(600, 1.0)
    head.learn(11, rows._replace(label=(torch.arange(600) % 2).float()))
    ((_, label, _),) = head.get_extra_state()["kept"]
    assert 0.3 < label.mean() < 0.7


def test_a_row_of_weight_2_teaches_as_two_rows_do_and_one_of_weight_0_as_none() -> None:
    weighs, twice = Head(PrequentialHead()), Head(PrequentialHead())
    for period in range(11, 15):
        rows, weight = rows_of(400, 1.0, seed=period, slope=0.5), torch.arange(400) % 3
        weight[:80] = 1  # each id has a row that counts
        chosen = torch.arange(400).repeat_interleave(weight)
        logits = {name: values[chosen] for name, values in rows.logits.items()}
        weighs.learn(period, rows._replace(weight=weight.float()))
        twice.learn(period, Gathered(rows.label[chosen], rows.user[chosen], rows.item[chosen], logits, rows.known))
    assert torch.allclose(weighs.users.table[:, :4], twice.users.table[:, :4])
    assert torch.allclose(weighs.coefficients, twice.coefficients, atol=1e-3)
    assert weighs.share == pytest.approx(twice.share)
    again = Head(PrequentialHead())
    again.set_extra_state(weighs.get_extra_state())
    rows = rows_of(400, 1.0, seed=15)
    for head in (weighs, again):
        head.learn(15, rows)
    assert torch.equal(again.coefficients, weighs.coefficients)


def test_empty_periods_and_periods_of_one_class_are_survived() -> None:
    head = Head(PrequentialHead())
    head.learn(11, rows_of(0, 1.0))
    assert not len(head.coefficients)
    one_class = rows_of(50, 1.0)
    head.learn(12, one_class._replace(label=torch.ones(50)))
    head.learn(13, rows_of(0, 1.0))
    assert head.coefficients.isfinite().all()
    assert head(one_class.logits, batch_of(one_class)).isfinite().all()


def test_a_state_that_no_head_has_is_refused() -> None:
    head = Head(PrequentialHead())
    head.learn(11, rows_of(100, 1.0))
    state = head.get_extra_state()
    Head(PrequentialHead()).set_extra_state(state)
    for wrong in ({"users": 3}, {"coefficients": torch.zeros(2)}, {"kept": [1]}, {"period": "x"}):
        with pytest.raises(CheckpointError, match="head in the checkpoint"):
            Head(PrequentialHead()).set_extra_state(state | wrong)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"decay": 0.0}, "decay"), ({"periods": 0}, "periods"), ({"rows": 0}, "rows"), ({"ridge": 0.0}, "ridge")],
)
def test_a_setting_that_cannot_work_is_refused_by_its_name(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"model\.head\.{message}"):
        PrequentialHead(**settings)


# ---- on a walk


@dataclass(frozen=True)
class HeadServes(Guard):
    """One that lets the head serve from the second scored period on."""

    def choose(self, results: Mapping[int, PeriodResult]) -> Choice:
        return Choice("headed" if results else "incremental", "so it shall be")


METHODS: dict[str, Any] = {
    "plain": IncrementalUpdate,
    "another": SML,
    "guarded": partial(ASMG, window=2, guard=HeadServes()),
    "not guarded": partial(ASMG, window=2, guard=None),
}


HEAD = PrequentialHead()


def stream(negatives: Fresh | None = None, rows: int = 420) -> PeriodDataModule:
    source = DriftingStream(users=15, items=20, rows=rows, categories=3)
    return PeriodDataModule(source, periods=EqualCounts(rows // 60), batch_size=16, history_size=5, negatives=negatives)


def walk(
    method: Any,
    folder: Path | None = None,
    data: PeriodDataModule | None = None,
    head: Any = HEAD,
    **run: Any,
) -> asmg_pl.Walk:
    """Seven periods of 60 rows, of which two pre-train."""
    given: dict[str, Any] = {"pretrain_periods": 2, "pretrain_epochs": 2, "test_from": 6, "head": head}
    trainer: dict[str, Any] = {"accelerator": "cpu", "enable_progress_bar": False, "logger": False}
    return asmg_pl.walk(partial(method, **given), data or stream(), folder, **run, **trainer)


@pytest.mark.parametrize("name", METHODS)
def test_a_head_changes_what_serves_and_nothing_else(name: str) -> None:
    headed, plain = walk(METHODS[name]).updater, walk(METHODS[name], head=None).updater
    for tensor, value in plain.state_dict().items():
        assert not isinstance(value, Tensor) or torch.equal(value, headed.state_dict()[tensor])
    base = "incremental" if "incremental" in plain.results[7].scores else "serving"
    for period, result in headed.results.items():
        assert repr(result.scores["incremental"]) == repr(plain.results[period].scores[base])
        assert (result.scores["serving"]["logloss"] == result.scores["incremental"]["logloss"]) == (period <= 5), (
            "three periods first"
        )
    beside = {"guarded": ["generated", "blend_0.5", "headed"], "not guarded": ["generated"]}
    assert list(headed.results[7].scores) == ["incremental", *beside.get(name, []), "serving"]


@pytest.mark.parametrize("name", METHODS)
def test_what_is_handed_out_and_exported_answers_as_the_walk_scores(name: str, tmp_path: Path) -> None:
    done = walk(METHODS[name], tmp_path, until=6, callbacks=[ServingExport(keep=1)])
    batch = done.data.log.batch(torch.arange(360, 420), history_size=5)
    expected = done.updater.logits(batch)["serving"]
    torch.testing.assert_close(done.serving(batch), expected, atol=1e-5, rtol=1e-5)
    written = open_package(Store(tmp_path / "serving").path()).served()
    assert isinstance(written, Headed)
    torch.testing.assert_close(written(batch), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", slow_but(["guarded"], ["plain", "guarded"]))
def test_a_walk_that_is_resumed_after_any_phase_scores_as_the_whole_one(name: str, tmp_path: Path) -> None:
    whole = walk(METHODS[name], tmp_path / "whole", callbacks=[PhaseCheckpoint(keep=-1)])
    for checkpoint in newest_first(tmp_path / "whole" / "checkpoints"):
        again = walk(METHODS[name], tmp_path / checkpoint.stem, resume=checkpoint)
        assert repr(again.updater.results) == repr(whole.updater.results)


def test_a_checkpoint_with_a_head_is_refused_without_one(tmp_path: Path) -> None:
    walk(IncrementalUpdate, tmp_path, until=5)
    with pytest.raises(asmg_pl.errors.UserError, match="head"):
        walk(IncrementalUpdate, tmp_path, head=None, resume=True)


def test_labels_change_what_the_head_serves_in_later_periods_only() -> None:
    from asmg_pl.testing.rules import Rules
    from asmg_pl.testing.walks import ROWS, Listener, short_walk

    method = partial(IncrementalUpdate, pretrain_periods=2, pretrain_epochs=2, test_from=6, head=PrequentialHead())
    heard = []
    for turned in (range(0), range(5 * ROWS, 6 * ROWS)):
        heard.append(Listener(Rules(method)))
        short_walk(method, 7, listener=heard[-1], turned=turned)
    for (period, model), values in heard[0].logits.items():
        assert torch.equal(values, heard[1].logits[period, model]) == (period <= 6), (period, model)


@pytest.mark.parametrize("name", slow_but(["guarded"], METHODS))
def test_the_rules_of_an_updater_hold_with_a_head(name: str) -> None:
    from asmg_pl.testing import check_updater

    check_updater(partial(METHODS[name], head=PrequentialHead()))


def test_drawn_negatives_are_learned_from_as_any_row() -> None:
    data = PeriodDataModule(Clicks(420), periods=EqualCounts(7), batch_size=16, history_size=5, negatives=Fresh(2))
    updater = walk(IncrementalUpdate, data=data).updater
    assert updater.head is not None
    assert updater.head.share < 0.5, "a click and two drawn rows"
    assert updater.results[7].rows == 180
    assert math.isfinite(updater.results[7].scores["serving"]["logloss"])


def test_the_columns_of_a_headed_walk_have_lift(tmp_path: Path) -> None:
    walk(IncrementalUpdate, tmp_path)
    table = pl.read_csv(tmp_path / "metrics.csv")
    assert {"incremental_auc", "serving_auc"} <= set(table.columns)
    saved = read_checkpoint(newest_first(tmp_path / "checkpoints")[0])
    assert saved["state_dict"]["head._extra_state"]["period"] == 7


def test_a_head_given_to_two_walks_is_not_shared() -> None:
    head = PrequentialHead()
    first, second = (walk(IncrementalUpdate, head=head).updater for _ in range(2))
    assert isinstance(first, Updater)
    assert repr(first.results) == repr(second.results)
