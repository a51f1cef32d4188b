"""ADER: who the exemplars are, what they teach, and how much they weigh."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from asmg_pl.data import Batch, PeriodDataModule
from asmg_pl.data.log import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.recommenders import DeepFM, EmbeddingMLP, Recommender, TwoTower
from asmg_pl.updaters import ADER, IncrementalUpdate, Updater

Walk = Callable[..., Updater]
SIZES = Sizes(6, 9, 4)
PERIOD = 60  # rows of a short walk's period; two periods pre-train


def weights(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def logloss(updater: Updater, period: int) -> float:
    return updater.results[period].scores["serving"]["logloss"]


def batch(rows: int = 5) -> Batch:
    """Rows with histories of different lengths; items have one category or two."""
    draw = torch.Generator().manual_seed(0)
    user, item = torch.randint(6, (rows,), generator=draw), torch.randint(9, (rows, 4), generator=draw)
    catalogue = torch.stack([torch.arange(9) % 4, torch.where(torch.arange(9) % 2 > 0, 0, -1)], dim=1)
    label = torch.rand(rows, generator=draw).round()
    return Batch(user, item[:, 0], item[:, 1:], torch.arange(rows) % 4, label, catalogue)


def data_of(updater: Updater) -> PeriodDataModule:
    return updater.data


class Watched(ADER):
    """Notes the exemplars, their weight and the teacher as they are when an update begins."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.seen: dict[int, tuple[torch.Tensor, float, torch.Tensor, torch.Tensor]] = {}

    def replay(self, batches: tuple[Batch, Batch]) -> None:
        assert self.phase is not None
        state = self.exemplars, self.exemplar_weight, weights(self.teacher), weights(self.recommender)
        self.seen.setdefault(self.phase.period, state)
        super().replay(batches)


@pytest.fixture
def watched(short_walk: Walk) -> Watched:
    updater = short_walk(Watched, exemplar_share=0.25, distillation=2.0)
    assert isinstance(updater, Watched)
    return updater


def test_exemplars_are_old_rows_and_newer_ones_come_in_as_time_goes_by(watched: Watched) -> None:
    assert list(watched.seen) == [3, 4, 5, 6, 7]
    before = torch.arange(2 * PERIOD)
    for period, (exemplars, *_) in watched.seen.items():
        assert len(exemplars.unique()) == len(exemplars) == 30
        assert exemplars.max() < (period - 1) * PERIOD, "a later row teaches"
        last_period = torch.arange((period - 2) * PERIOD, (period - 1) * PERIOD)
        assert torch.isin(exemplars, torch.cat([before, last_period])).all(), "a row that was dropped comes back"
        assert torch.isin(exemplars, last_period).any()
        before = exemplars


def test_items_have_exemplars_in_proportion_to_their_candidates_with_either_label(watched: Watched) -> None:
    log = data_of(watched).log
    former = watched.seen[6][0]
    candidates = torch.cat([former, torch.arange(5 * PERIOD, 6 * PERIOD)])
    (exemplars, *_) = watched.seen[7]

    def counts(rows: torch.Tensor) -> torch.Tensor:
        return (2 * log.item[rows].long() + log.label[rows]).bincount(minlength=40)

    assert ((counts(exemplars) - counts(candidates) * 30 / 90).abs() < 1).all()


def test_the_weight_falls_with_new_items_and_with_the_new_rows_per_exemplar(watched: Watched) -> None:
    item = data_of(watched).log.item
    known = {period: len(set(item[: period * PERIOD].tolist())) for period in range(2, 8)}
    assert known[2] < known[7]
    for period, (_, weight, *_) in watched.seen.items():
        assert weight == pytest.approx(2.0 * math.sqrt(known[period - 1] / known[period] * 30 / PERIOD))


def test_the_teacher_is_the_model_before_the_period(watched: Watched) -> None:
    for _, _, teacher, student in watched.seen.values():
        assert torch.equal(teacher, student)
    assert torch.equal(weights(watched.teacher), watched.seen[7][2])
    assert all(p.grad is None for p in watched.teacher.parameters())


def test_without_distillation_it_is_plain_incremental_update(short_walk: Walk) -> None:
    plain, none, some = (
        short_walk(IncrementalUpdate, passes=2),
        short_walk(ADER, passes=2, distillation=0.0),
        short_walk(ADER, passes=2, distillation=1.0),
    )
    assert torch.equal(weights(plain.recommender), weights(none.recommender))
    assert logloss(plain, 7) == logloss(none, 7)
    assert logloss(plain, 3) == logloss(some, 3), "pre-training has no exemplars"
    assert logloss(plain, 4) != logloss(some, 4)


def test_a_strong_teacher_holds_the_model_back_on_exemplars(short_walk: Walk) -> None:
    def unlearned(distillation: float) -> float:
        updater = short_walk(ADER, distillation=distillation, learning_rate=1e-2)
        assert isinstance(updater, ADER)
        exemplars = data_of(updater).log.batch(updater.exemplars, 5)
        with torch.no_grad():
            return float((updater.recommender(exemplars) - updater.teacher(exemplars)).abs().mean())

    assert unlearned(100.0) < 0.7 * unlearned(0.0)


def test_distillation_moves_nothing_where_student_and_teacher_agree() -> None:
    torch.manual_seed(0)
    updater = ADER(SIZES)

    def gradient() -> torch.Tensor:
        loss = updater.distillation_loss(batch())
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(updater.recommender.parameters()))])

    assert gradient().abs().max() < 1e-8
    with torch.no_grad():
        updater.recommender.table("user").add_(0.3)
    assert gradient().abs().max() > 1e-4


@pytest.mark.parametrize("recommender", [EmbeddingMLP, DeepFM, TwoTower])
def test_features_are_the_gradients_of_each_rows_loss_summed_per_table(
    recommender: Callable[[Sizes], Recommender],
) -> None:
    torch.manual_seed(0)
    updater = ADER(SIZES, recommender=recommender)
    rows = batch()
    found = updater.features(rows)
    model = updater.recommender
    assert torch.equal(weights(model), weights(updater.teacher))
    for row in range(5):
        user, item, history, length, label = (value[row : row + 1] for value in rows[:5])
        alone = Batch(user, item, history, length, label, rows.categories)
        loss = F.binary_cross_entropy_with_logits(model(alone), alone.label)
        gradients = torch.autograd.grad(loss, [model.table(name) for name in model.lookups(alone)])
        expected = torch.cat([gradient.sum(0) for gradient in gradients])
        torch.testing.assert_close(found[row], expected, atol=1e-6, rtol=1e-5)
    assert all(p.grad is None for p in model.parameters())


def test_exemplars_their_weight_and_the_teacher_are_saved(short_walk: Walk, tmp_path: Path) -> None:
    updater = short_walk(ADER, until=4)
    assert isinstance(updater, ADER)
    updater.trainer.save_checkpoint(tmp_path / "walk.ckpt")
    checkpoint = torch.load(tmp_path / "walk.ckpt", weights_only=False)
    other = ADER(data_of(updater).sizes, pretrain_periods=2)
    other.on_load_checkpoint(checkpoint)
    other.load_state_dict(checkpoint["state_dict"])
    assert torch.equal(other.exemplars, updater.exemplars)
    assert other.exemplar_weight == updater.exemplar_weight > 0
    assert torch.equal(weights(other.teacher), weights(updater.teacher))
    assert not torch.equal(weights(other.teacher), weights(other.recommender))


def test_rows_before_the_first_period_are_no_candidates(short_walk: Walk) -> None:
    updater = short_walk(Watched, late=True)
    assert isinstance(updater, Watched)
    for exemplars, *_ in updater.seen.values():
        assert len(exemplars) == 36  # 0.3 of two periods
        assert exemplars.min() >= 60


def test_the_phases_herd_once_before_all_updates(short_walk: Walk) -> None:
    phases = short_walk(ADER, passes=2).plan(7)
    assert [(p.name, p.trains, p.repeat, p.reading.periods) for p in phases] == [
        ("score", False, 0, (7,)),
        ("herd", False, 0, (6,)),
        ("update", True, 0, (7,)),
        ("update", True, 1, (7,)),
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        {"exemplar_share": 0.0},
        {"exemplar_share": 1.5},
        {"exemplar_share": math.nan},
        {"distillation": -0.1},
        {"distillation": math.nan},
        {"pretrain_periods": 0},
    ],
)
def test_bad_settings_are_refused_by_name(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"model\.{next(iter(arguments))} must"):
        ADER(SIZES, **arguments)
