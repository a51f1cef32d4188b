"""What every updater shares: the plan of a walk, pre-training, and scores taken before training."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from asmg_pl.callbacks import PeriodLoop
from asmg_pl.data import InteractionLog, PeriodDataModule
from asmg_pl.data.cutting.periods import EqualCounts
from asmg_pl.data.log import Sizes
from asmg_pl.data.sources import DriftingStream, Source
from asmg_pl.errors import ConfigError
from asmg_pl.updaters import IncrementalUpdate
from asmg_pl.updaters.walking.phase import Phase

SIZES = Sizes(users=5, items=5)


class Diary(Callback):
    """Notes, after each phase, what the phase was and how the base model and its optimiser stand."""

    def __init__(self) -> None:
        self.phases: list[Phase] = []
        self.weights: list[dict[str, Tensor]] = []
        self.moments: list[dict[str, Any]] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        self.phases.append(pl_module.phase)
        self.weights.append(copy.deepcopy(pl_module.recommender.state_dict()))
        self.moments.append(copy.deepcopy(trainer.optimizers[0].state_dict()))


def walk(
    until: int | None = None, source: Source | None = None, periods: int = 8, **options: Any
) -> tuple[IncrementalUpdate, PeriodDataModule, Diary]:
    """Plain incremental update along a stream; by default of 8 periods with 50 rows each."""
    torch.manual_seed(3)
    source = source or DriftingStream(users=15, items=20, rows=400, categories=3)
    data = PeriodDataModule(source, periods=EqualCounts(periods), batch_size=16, history_size=5)
    updater, diary = IncrementalUpdate(data.sizes, test_from=6, **options), Diary()
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
        callbacks=[diary, PeriodLoop(until)],  # the diary writes before the loop ends the phase
    )
    trainer.fit(updater, data)
    return updater, data, diary


def scores_on(data: PeriodDataModule, period: int, weights: dict[str, Tensor]) -> tuple[float, float]:
    """AUC by counting pairs, a tie as one half, and LogLoss, of a base model with these weights."""
    model = copy.deepcopy(IncrementalUpdate(data.sizes).recommender)
    model.load_state_dict(weights)
    rows = data.rows_of(period)
    batch = data.log.batch(torch.arange(rows.start, rows.stop), data.history_size)
    with torch.no_grad():
        scores = model(batch).double().sigmoid().tolist()
    rated = list(zip(scores, batch.label.tolist(), strict=True))
    good, bad = [s for s, label in rated if label], [s for s, label in rated if not label]
    pairs = [(g > b) + (g == b) / 2 for g in good for b in bad]
    losses = [-math.log(s if label else 1 - s) for s, label in rated]
    return sum(pairs) / len(pairs), sum(losses) / len(losses)


# ---- the plan


def test_pretraining_belongs_to_the_last_period_it_reads() -> None:
    updater = IncrementalUpdate(SIZES, pretrain_periods=3, pretrain_epochs=2)
    assert [updater.plan(period) for period in range(3)] == [[], [], []]
    assert [p.period for p in updater.plan(3)] == [3] * 4
    assert [p.name for p in updater.plan(4)] == ["score", "update"]


def test_each_epoch_of_pretraining_is_judged_on_the_next_period() -> None:
    phases = IncrementalUpdate(SIZES, pretrain_periods=3, pretrain_epochs=2).plan(3)
    assert [(p.name, p.repeat) for p in phases] == [("pretrain", 0), ("select", 0), ("pretrain", 1), ("select", 1)]
    assert [p.reading.periods for p in phases] == [(1, 2, 3), (4,)] * 2
    assert [p.trains for p in phases] == [True, False] * 2


def test_without_pretraining_the_walk_starts_with_the_first_period() -> None:
    updater = IncrementalUpdate(SIZES, pretrain_periods=0, pretrain_epochs=0)
    assert updater.plan(0) == []
    assert [p.name for p in updater.plan(1)] == ["score", "update"]
    assert updater.split_of(1) == "warm-up"


def test_a_period_selects_warms_up_or_tests() -> None:
    updater = IncrementalUpdate(SIZES, pretrain_periods=10, test_from=25)
    splits = [updater.split_of(period) for period in range(11, 32)]
    assert splits == ["selection"] + ["warm-up"] * 13 + ["test"] * 7


def test_the_period_that_chose_the_epoch_is_no_test_even_if_tests_start_there() -> None:
    updater = IncrementalUpdate(SIZES, pretrain_periods=3, test_from=1)
    assert [updater.split_of(period) for period in (4, 5)] == ["selection", "test"]


def test_passes_differ_in_their_shuffle_and_only_the_last_one_ends_the_update() -> None:
    ends: list[str] = []
    phases = IncrementalUpdate(SIZES, passes=3).updating(12, end=lambda: ends.append("end"))
    assert [p.repeat for p in phases] == [0, 1, 2]
    counts = []
    for phase in phases:
        phase.end()
        counts.append(len(ends))
    assert counts == [0, 0, 1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"passes": 0}, "model.passes must be at least 1, got 0"),
        ({"pretrain_periods": -1}, "model.pretrain_periods must be at least 0, got -1"),
        ({"pretrain_epochs": 0}, "model.pretrain_epochs must be at least 1, got 0"),
        ({"test_from": 0}, "model.test_from must be at least 1, got 0"),
        ({"learning_rate": 0.0}, "model.learning_rate must be positive, got 0.0"),
        ({"pretrain_learning_rate": 0.0}, "model.pretrain_learning_rate must be positive, got 0.0"),
        ({"learning_rate": float("nan")}, "model.learning_rate must be positive, got nan"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_by_its_name(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        IncrementalUpdate(SIZES, **settings)


# ---- a walk


@pytest.fixture(scope="module")
def walked() -> tuple[IncrementalUpdate, PeriodDataModule, Diary]:
    return walk(pretrain_periods=3, pretrain_epochs=5, learning_rate=0.07)


def test_pretraining_goes_back_to_its_best_epoch(walked: tuple[IncrementalUpdate, PeriodDataModule, Diary]) -> None:
    _, data, diary = walked
    epochs = [i for i, phase in enumerate(diary.phases) if phase.name == "select"]
    aucs = [scores_on(data, 4, diary.weights[i])[0] for i in epochs]
    best = aucs.index(max(aucs))
    assert 0 < best < 4, "choose another learning rate: neither the first nor the last epoch may be the best"
    # The diary's next entry, after the scoring of period 4, is the first to see what pre-training left.
    after = epochs[-1] + 1
    assert diary.phases[after].name == "score"
    for name, weight in diary.weights[epochs[best]].items():
        assert torch.equal(diary.weights[after][name], weight)
    for position, state in diary.moments[epochs[best]]["state"].items():
        for name, value in state.items():
            assert torch.equal(diary.moments[after]["state"][position][name], value)
    assert diary.moments[after]["param_groups"] == diary.moments[epochs[best]]["param_groups"]


def test_every_period_after_pretraining_is_scored_before_it_is_trained_on(
    walked: tuple[IncrementalUpdate, PeriodDataModule, Diary],
) -> None:
    updater, data, diary = walked
    assert list(updater.results) == [4, 5, 6, 7, 8]
    assert [result.split for result in updater.results.values()] == ["selection", "warm-up", "test", "test", "test"]
    for period, result in updater.results.items():
        scoring = next(i for i, p in enumerate(diary.phases) if p.name == "score" and p.period == period)
        assert diary.phases[scoring + 1].name == "update"
        # What stood when the previous period's update ended; for the first period, what pre-training left.
        weights = diary.weights[scoring - 1 if period > 4 else scoring]
        auc, logloss = scores_on(data, period, weights)
        assert result.scores["serving"]["auc"] == pytest.approx(auc, abs=1e-6)
        assert result.scores["serving"]["logloss"] == pytest.approx(logloss, abs=1e-6)
        assert result.rows == 50


def test_scoring_changes_nothing_and_updating_does(walked: tuple[IncrementalUpdate, PeriodDataModule, Diary]) -> None:
    _, _, diary = walked
    changed: dict[str, set[bool]] = {}
    for i, phase in enumerate(diary.phases[1:], start=1):
        if phase.name == "score" and phase.period == 4:
            continue  # it follows pre-training's return to the best epoch
        same = all(torch.equal(diary.weights[i][name], w) for name, w in diary.weights[i - 1].items())
        changed.setdefault(phase.name, set()).add(not same)
    assert changed == {"pretrain": {True}, "select": {False}, "score": {False}, "update": {True}}


def test_moments_are_carried_from_pretraining_through_all_periods(
    walked: tuple[IncrementalUpdate, PeriodDataModule, Diary],
) -> None:
    _, _, diary = walked
    scores = [i for i, phase in enumerate(diary.phases) if phase.name == "score"]
    steps = [int(diary.moments[i]["state"][0]["step"]) for i in scores]
    assert steps[0] >= 10  # an epoch of pre-training has ⌈150/16⌉ steps, a period ⌈50/16⌉
    assert steps == [steps[0] + 4 * n for n in range(5)]


def test_pretraining_may_have_a_learning_rate_of_its_own() -> None:
    _, _, diary = walk(pretrain_periods=3, pretrain_epochs=2, pretrain_learning_rate=0.05, learning_rate=0.1)
    rates = [moments["param_groups"][0]["lr"] for moments in diary.moments]
    pretraining = [phase.period == 3 for phase in diary.phases]
    assert rates[: sum(pretraining) - 1] == [0.05] * (sum(pretraining) - 1)
    assert set(rates[sum(pretraining) :]) == {0.1}


def test_a_row_that_no_batch_touches_still_moves_by_its_moments(
    walked: tuple[IncrementalUpdate, PeriodDataModule, Diary],
) -> None:
    _, data, diary = walked
    update = next(i for i, phase in enumerate(diary.phases) if phase.name == "update" and phase.period == 5)
    rows = data.rows_of(5)
    before, after = (diary.weights[i]["tables.user.weight"] for i in (update - 1, update))
    seen_early = set(data.log.user[: rows.start].tolist())
    absent = sorted(seen_early - set(data.log.user[rows.start : rows.stop].tolist()))
    assert absent, "every user is in period 5: choose another stream"
    assert (before[absent] != after[absent]).any(dim=1).all()


class ByHand(Source):
    """Three periods of four rows."""

    user = (*"aabb", *"accb", *"cdad")
    item = (*"xyxy", *"zzxz", *"zxyw")
    label = (1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1)

    def read(self, root: Path | None) -> InteractionLog:
        columns = {"user": self.user, "item": self.item, "label": self.label, "time": range(12)}
        return InteractionLog.from_frame(pl.DataFrame(columns))


def test_a_row_is_new_if_no_earlier_period_has_its_user_or_item() -> None:
    """Both rows of c in period 2 are new, since c came with that period; in period 3 c is known."""
    updater, _, _ = walk(source=ByHand(), periods=3, pretrain_periods=0, pretrain_epochs=0)
    counts = {p: (r.rows, r.new_user_rows, r.new_item_rows) for p, r in updater.results.items()}
    assert counts == {1: (4, 4, 4), 2: (4, 2, 3), 3: (4, 2, 1)}
    first, second, third = (updater.results[period].scores["serving"] for period in (1, 2, 3))
    assert math.isnan(first["logloss_known_users"])
    assert first["auc_new_users"] == first["auc_new_items"] == first["auc"]
    assert {second[f"auc_{age}_users"] for age in ("known", "new")} <= {0.0, 0.5, 1.0}  # one pair each
    assert math.isnan(second["auc_known_items"])  # one row
    assert math.isnan(third["auc_new_items"])
    assert third["auc_known_items"] in (0.0, 0.25, 0.5, 0.75, 1.0)


def test_a_walk_can_end_right_after_pretraining() -> None:
    updater, _, diary = walk(until=3, pretrain_periods=3, pretrain_epochs=1)
    assert [phase.name for phase in diary.phases] == ["pretrain", "select"]
    assert updater.results == {}
