"""A walk that is no longer finite: it stops, says where, keeps what was sound, and leaves its scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from lightning import Trainer
from torch import Tensor

from asmg_pl.callbacks import PeriodLoop, PeriodReport, PhaseCheckpoint, ServingExport
from asmg_pl.checkpoints.io import AtomicCheckpointIO, newest_first, read_checkpoint
from asmg_pl.data import Batch, EqualCounts, PeriodDataModule
from asmg_pl.data.mini_batches.reading import Reading
from asmg_pl.data.sources import DriftingStream
from asmg_pl.errors import DivergedError
from asmg_pl.recommenders import EmbeddingMLP, Recommender
from asmg_pl.serving import Store
from asmg_pl.updaters import ASMG, SML, IncrementalUpdate, Updater
from asmg_pl.updaters.walking.phase import Phase

pytestmark = pytest.mark.filterwarnings("ignore")


class Broken(EmbeddingMLP):
    """Its logits are not finite for the rows of a user, while ``value`` is not 0."""

    value = 0.0

    def forward(self, batch: Batch, lookups: Any = None) -> Tensor:
        logits = super().forward(batch, lookups)
        return torch.where(batch.user == 0, torch.full_like(logits, self.value), logits) if self.value else logits


def parts(folder: Path, method: Callable[..., Updater], **options: Any) -> tuple[Trainer, Updater, PeriodDataModule]:
    """Seven periods of 40 rows; two pre-train, the third selects, 6 and 7 test."""
    torch.manual_seed(1)
    stream = DriftingStream(users=10, items=12, rows=280, categories=3)
    data = PeriodDataModule(stream, periods=EqualCounts(7), batch_size=16, history_size=2)
    model = method(data.sizes, **{"pretrain_periods": 2, "pretrain_epochs": 2, "test_from": 6} | options)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=-1,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        default_root_dir=folder,
        plugins=[AtomicCheckpointIO()],
        callbacks=[PeriodLoop(), PeriodReport(), ServingExport(-1), PhaseCheckpoint(keep=-1)],
    )
    return trainer, model, data


def stopped(folder: Path, method: Callable[..., Updater], **options: Any) -> tuple[str, Updater]:
    """The message of a walk that diverges, and the updater as it stopped."""
    trainer, model, data = parts(folder, method, **options)
    with pytest.raises(DivergedError) as stop:
        trainer.fit(model, datamodule=data)
    return str(stop.value), model


def newest(folder: Path) -> str:
    return newest_first(folder / "checkpoints")[0].name


class LossOf(IncrementalUpdate):
    """A method of somebody's own, whose loss is not finite in the second mini-batch of period 5."""

    value = math.nan

    def loss(self, batch: Batch) -> Tensor:
        loss = super().loss(batch)
        assert self.phase is not None
        return loss * self.value if (self.phase.period, self.stepping.mini_batch) == (5, 1) else loss


class OwnSteps(IncrementalUpdate):
    """A method whose phase changes parameters without an optimiser's step."""

    def phases(self, period: int) -> list[Phase]:
        return [self.scoring(period), Phase(Reading("shake", period, (period,)), self.shake)]

    @torch.no_grad()
    def shake(self, batch: Batch) -> None:
        assert self.phase is not None
        if self.phase.period == 4:
            next(self.recommender.parameters())[0, 0] = math.inf


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("options", [{}, {"row_wise": True}, {"gradient_clip": 1.0}])
def test_a_loss_that_is_not_finite_stops_the_walk_before_anything_of_it_is_kept(
    tmp_path: Path, value: float, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LossOf, "value", value)
    message, _ = stopped(tmp_path, LossOf, **options)
    assert "diverged in period 5 · update: NaN or infinite are the loss of mini-batch 2; " in message
    assert ("the gradient of mini-batch 2" in message) is bool(options.get("gradient_clip"))
    assert newest(tmp_path) == "period-000005-phase-000-score.ckpt"
    saved = read_checkpoint(tmp_path / "checkpoints" / newest(tmp_path))
    assert all(tensor.isfinite().all() for tensor in saved["state_dict"].values())
    assert Store(tmp_path / "serving").versions()[-1] == "after-period-000004"
    scored = pl.read_csv(tmp_path / "metrics.csv")
    assert scored["period"].to_list() == [3, 4, 5]
    assert scored["diverged"].null_count() == 3
    assert (tmp_path / "diverged.txt").read_text() == f"{message}\n"


def test_parameters_that_a_phase_breaks_without_a_step_are_named(tmp_path: Path) -> None:
    message, _ = stopped(tmp_path, OwnSteps)
    assert "diverged in period 4 · shake: NaN or infinite are recommender." in message
    assert "(1 of " in message


def test_a_learning_rate_that_is_too_high_stops_in_the_epoch_of_pre_training(tmp_path: Path) -> None:
    message, model = stopped(tmp_path, IncrementalUpdate, learning_rate=1e30)
    assert (
        "diverged in epoch 1 of pre-training on periods 1 to 2 · pretrain: NaN or infinite are the loss of" in message
    )
    assert not model.results
    assert not newest_first(tmp_path / "checkpoints")
    assert (tmp_path / "diverged.txt").exists()


def test_a_generator_that_diverges_makes_no_serving_model(tmp_path: Path) -> None:
    message, model = stopped(tmp_path, ASMG, generator_learning_rate=1e38, window=2, guard=None)
    assert "· generate: NaN or infinite are " in message
    assert "generator." in message
    assert all(p.isfinite().all() for p in model.scored_models()["serving"].parameters())


class HugeServing(SML):
    """Its transferred model is beyond what a float holds, although what was trained is not."""

    def make_serving(self) -> None:
        super().make_serving()
        with torch.no_grad():
            next(self.serving.parameters()).mul_(1e30).mul_(1e30)


def test_a_serving_model_that_a_phase_makes_is_looked_at_too(tmp_path: Path) -> None:
    message, _ = stopped(tmp_path, HugeServing)
    assert "diverged in period 3 · update: NaN or infinite are serving " in message
    assert newest(tmp_path) == "period-000003-phase-000-score.ckpt"


class Late(IncrementalUpdate):
    """Its recommender breaks when period 6 arrives, until that is mended."""

    mended = False

    def scored_models(self) -> Mapping[str, Recommender]:
        assert isinstance(self.recommender, Broken)
        arrived = self.phase is not None and self.phase.period == 6
        self.recommender.value = math.nan if arrived and not self.mended else 0.0
        return super().scored_models()


def test_scores_that_are_not_finite_are_in_the_table_before_the_walk_stops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message, model = stopped(tmp_path, Late, recommender=Broken)
    rows = model.results[6].diverged["serving"]
    assert 0 < rows < 40
    assert f"period 6 · score: NaN or infinite are the scores of 'serving' for {rows} of 40 rows of period 6" in message
    table = pl.read_csv(tmp_path / "metrics.csv")
    assert table["period"].to_list() == [3, 4, 5, 6]
    last = table.row(-1, named=True)
    assert (last["split"], last["rows"], last["diverged"]) == ("test", 40, "serving")
    assert all(math.isnan(value) for name, value in last.items() if name.startswith("serving_"))
    assert newest(tmp_path) == "period-000005-phase-001-update.ckpt"
    assert (tmp_path / "auc.png").exists()
    shown = [line for line in capsys.readouterr().out.splitlines() if line.lstrip()[:2] in ("5 ", "6 ")]
    five, six = shown
    assert six.endswith("  diverged: serving")
    assert five.rindex(".") < len(five.rstrip()) <= six.index("  diverged"), "the columns are in line"
    assert six.split()[3:5] == ["nan", "nan"]


class Infinite(Broken):
    """Its scores are infinite."""

    value = math.inf


def test_pre_training_keeps_no_epoch_whose_scores_are_not_finite(tmp_path: Path) -> None:
    message, _ = stopped(tmp_path, IncrementalUpdate, recommender=Infinite)
    assert "epoch 1 of pre-training" in message


def test_a_walk_whose_cause_is_mended_goes_on_where_it_was_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped(tmp_path / "a", Late, recommender=Broken)
    monkeypatch.setattr(Late, "mended", True)
    trainer, model, data = parts(tmp_path / "a", Late, recommender=Broken)
    trainer.fit(model, datamodule=data, ckpt_path=newest_first(tmp_path / "a" / "checkpoints")[0])
    whole, expected, stream = parts(tmp_path / "b", Late, recommender=Broken)
    whole.fit(expected, datamodule=stream)
    assert str(model.results) == str(expected.results)  # by their repr, nan is nan
    assert (tmp_path / "a" / "metrics.csv").read_bytes() == (tmp_path / "b" / "metrics.csv").read_bytes()
    assert not (tmp_path / "a" / "diverged.txt").exists()


@pytest.mark.parametrize("verb", ["validate", "test"])
def test_an_evaluation_shows_that_a_model_has_diverged(
    tmp_path: Path, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer, model, data = parts(tmp_path, IncrementalUpdate, recommender=Broken)
    trainer.fit(model, datamodule=data)
    capsys.readouterr()
    checkpoint = tmp_path / "checkpoints" / "period-000005-phase-001-update.ckpt"
    trainer, model, data = parts(tmp_path, IncrementalUpdate, recommender=Broken)
    assert isinstance(model.recommender, Broken)
    model.recommender.value = -math.inf
    getattr(trainer, verb)(model, datamodule=data, ckpt_path=checkpoint, verbose=False)
    out = capsys.readouterr().out
    assert "serving auc nan, serving logloss nan (diverged in period 6" in out
    assert "left out" not in out


def test_seen_and_selection_are_shown_and_count_in_no_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trainer, model, data = parts(tmp_path, IncrementalUpdate)
    trainer.fit(model, datamodule=data)
    checkpoint = newest_first(tmp_path / "checkpoints")[-1]  # of before the walk
    for chosen, mean in [([1, 2, 3, 5, 7], "mean over 2 periods"), ([2, 3], None)]:
        capsys.readouterr()
        trainer, model, data = parts(tmp_path, IncrementalUpdate)
        data.evaluate = chosen
        trainer.test(model, datamodule=data, ckpt_path=checkpoint, verbose=False)
        out = capsys.readouterr().out
        assert [line.split()[0] for line in out.splitlines() if line.strip()[:1].isdigit()] == list(map(str, chosen))
        assert "seen: the model was trained on it" in out
        assert "in no mean: period 3 (selection: it chose the epoch of pre-training)" in out
        assert (mean in out) if mean else ("mean over" not in out)
        logged = {name: float(value) for name, value in trainer.logged_metrics.items()}
        if mean:
            aucs = [model.evaluation[period].scores["serving"]["auc"] for period in (5, 7)]
            assert logged["serving_auc"] == pytest.approx(sum(aucs) / 2)
        else:
            assert logged == {}
