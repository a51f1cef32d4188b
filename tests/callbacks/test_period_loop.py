"""The period loop in small walks: which phases come in which order, where the walk ends, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from lightning import Callback, LightningModule, Trainer

from asmg_pl.callbacks import PeriodLoop, PhaseCheckpoint
from asmg_pl.checkpoints.io import AtomicCheckpointIO
from asmg_pl.data import EqualCounts, InteractionLog, PeriodDataModule
from asmg_pl.data.negatives import Fresh
from asmg_pl.data.place import Place
from asmg_pl.data.sources import DriftingStream, Source
from asmg_pl.errors import ConfigError, WalkInterruptedError
from asmg_pl.updaters import IncrementalUpdate, Updater

pytestmark = pytest.mark.filterwarnings("ignore")


STREAM = DriftingStream(users=10, items=12, rows=200, categories=3)


class Labelled(Source):
    """Rows with given labels."""

    def __init__(self, labels: list[int]) -> None:
        self.labels = labels

    def read(self, root: Path | None) -> InteractionLog:
        """The rows, of two users and four items."""
        rows = range(len(self.labels))
        columns = {
            "user": [n % 2 for n in rows],
            "item": [n % 8 // 2 for n in rows],
            "label": self.labels,
            "time": rows,
        }
        return InteractionLog.from_frame(pl.DataFrame(columns))


class Diary(Callback):
    """Notes each phase, whether the model was in training mode, and the latest period trained on."""

    def __init__(self) -> None:
        self.phases: list[tuple[int, str, int]] = []
        self.training: list[bool] = []
        self.trained_until: list[int] = []
        self.mini_batches = 0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Updater)
        phase = pl_module.phase
        assert phase is not None
        self.phases.append((phase.period, phase.name, phase.repeat))
        self.training.append(pl_module.recommender.training)

    def on_train_batch_end(self, *_: Any) -> None:
        self.mini_batches += 1

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Updater)
        self.trained_until.append(pl_module.place.trained_until)


def parts(
    folder: Path,
    until: int | None = None,
    settings: dict[str, Any] | None = None,
    source: Source | None = None,
    negatives: Fresh | None = None,
    **updater: Any,
) -> tuple[Trainer, IncrementalUpdate, PeriodDataModule, Diary]:
    """Five periods, two of which pre-train in two epochs."""
    torch.manual_seed(1)
    cut: dict[str, Any] = {"periods": EqualCounts(5), "negatives": negatives}
    data = PeriodDataModule(source or STREAM, batch_size=16, scoring_batch_size=30, history_size=2, **cut)
    defaults: dict[str, Any] = {"pretrain_periods": 2, "pretrain_epochs": 2}
    trainer_defaults: dict[str, Any] = {"max_epochs": -1, "reload_dataloaders_every_n_epochs": 1}
    diary = Diary()
    trainer = Trainer(
        accelerator="cpu",
        num_sanity_val_steps=0,
        logger=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        default_root_dir=folder,
        plugins=[AtomicCheckpointIO()],
        callbacks=[PeriodLoop(until), diary, PhaseCheckpoint(keep=1, overwrite=True)],
        **trainer_defaults | (settings or {}),
    )
    return trainer, IncrementalUpdate(data.sizes, **defaults | updater), data, diary


def walk(
    folder: Path, ckpt_path: Path | None = None, **options: Any
) -> tuple[IncrementalUpdate, PeriodDataModule, Diary]:
    trainer, model, data, diary = parts(folder, **options)
    trainer.fit(model, datamodule=data, ckpt_path=ckpt_path)
    return model, data, diary


def last(folder: Path) -> Path:
    (path,) = (folder / "checkpoints").iterdir()
    return path


PRETRAINING = [(2, "pretrain", 0), (2, "select", 0), (2, "pretrain", 1), (2, "select", 1)]
WALKING = [(period, name, 0) for period in (3, 4, 5) for name in ("score", "update")]


def test_a_walk_pretrains_and_then_scores_and_updates_period_by_period(tmp_path: Path) -> None:
    model, data, diary = walk(tmp_path)
    assert diary.phases == PRETRAINING + WALKING
    assert diary.mini_batches == sum([5, 2, 5, 2] + [2, 3] * 3)
    assert list(model.results) == [3, 4, 5]
    assert model.place == Place(6, 0, trained_until=5)
    assert data.reading is None
    assert diary.training == [True, False] * 2 + [False, True] * 3
    assert diary.trained_until == [2, 2, 2, 2, 2, 3, 3, 4, 4, 5]  # scoring a period is no training on it


def test_the_walk_may_end_earlier(tmp_path: Path) -> None:
    model, _, diary = walk(tmp_path, until=3)
    assert diary.phases == PRETRAINING + WALKING[:2]
    assert list(model.results) == [3]
    assert model.place == Place(4, 0, trained_until=3, until=3)


@pytest.mark.parametrize("until", [5, 99])
def test_an_end_beyond_the_stream_changes_nothing(tmp_path: Path, until: int) -> None:
    _, _, diary = walk(tmp_path, until=until)
    assert diary.phases == PRETRAINING + WALKING


@pytest.mark.parametrize("until", [2, 3, 4])
def test_a_walk_in_two_parts_ends_where_a_whole_one_does(tmp_path: Path, until: int) -> None:
    whole, _, _ = walk(tmp_path / "whole")
    _, _, first = walk(tmp_path / "parts", until=until)
    again, _, second = walk(tmp_path / "parts", ckpt_path=last(tmp_path / "parts"))
    assert first.phases + second.phases == PRETRAINING + WALKING
    assert str(again.results) == str(whole.results)  # by their repr, nan is nan
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_a_walk_that_is_through_says_that_there_is_nothing_new(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "asmg_pl")
    walk(tmp_path)
    assert "nothing new" not in caplog.text
    model, _, diary = walk(tmp_path, ckpt_path=last(tmp_path))
    assert diary.phases == []
    assert list(model.results) == [3, 4, 5]
    assert "nothing new: the walk has been through period 5" in caplog.text


def test_without_pretraining_the_walk_starts_at_the_first_period(tmp_path: Path) -> None:
    model, _, diary = walk(tmp_path, pretrain_periods=0, pretrain_epochs=0)
    assert diary.phases[:2] == [(1, "score", 0), (1, "update", 0)]
    assert list(model.results) == [1, 2, 3, 4, 5]


def test_without_periods_to_pretrain_on_the_number_of_epochs_does_not_matter(tmp_path: Path) -> None:
    model, _, _ = walk(tmp_path, pretrain_periods=0, pretrain_epochs=2)
    assert list(model.results) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_epochs", 3),
        ("max_epochs", None),
        ("max_steps", 10),
        ("reload_dataloaders_every_n_epochs", 0),
        ("limit_train_batches", 0.5),
        ("limit_train_batches", 2),
        ("overfit_batches", 0.2),
        ("fast_dev_run", True),
        ("min_epochs", 20),
        ("min_steps", 20),
        ("precision", "bf16-true"),
    ],
)
def test_trainer_settings_that_would_spoil_a_walk_are_refused_by_name(tmp_path: Path, name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"trainer\.{name} must be .*: "):
        walk(tmp_path, settings={name: value})
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("periods", [5, 9])
def test_pretraining_must_leave_a_period_to_walk(tmp_path: Path, periods: int) -> None:
    with pytest.raises(ConfigError, match=rf"has 5 periods and pre-training takes {periods}"):
        walk(tmp_path, pretrain_periods=periods)


def test_the_walk_must_go_as_far_as_pretraining(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"loop\.until is 1, but pre-training takes 2 periods"):
        walk(tmp_path, until=1)


def test_an_evaluation_needs_no_settings_of_a_walk(tmp_path: Path) -> None:
    walk(tmp_path, until=3)
    settings = {"max_epochs": 1, "reload_dataloaders_every_n_epochs": 0}
    trainer, model, data, diary = parts(tmp_path, until=1, settings=settings)
    trainer.test(model, datamodule=data, ckpt_path=last(tmp_path), verbose=False)
    assert list(model.evaluation) == [4, 5]
    assert diary.phases == []


class Impatient(Callback):
    """Asks the trainer to stop after one mini-batch of period 4."""

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        assert isinstance(pl_module, Updater)
        if pl_module.phase is not None and (pl_module.phase.period, pl_module.phase.name) == (4, "update"):
            trainer.should_stop = True


def test_a_phase_that_is_cut_short_does_not_count(tmp_path: Path) -> None:
    trainer, model, data, _ = parts(tmp_path)
    trainer.callbacks.insert(0, Impatient())  # type: ignore[attr-defined]
    with pytest.raises(WalkInterruptedError, match=r"period 4 · update .*, 2 mini-batches before its end"):
        trainer.fit(model, data)
    assert (model.place.period, model.place.phase, model.place.trained_until) == (4, 1, 3)
    assert last(tmp_path).name == "period-000004-phase-000-score.ckpt"


@pytest.mark.parametrize(
    ("label", "mend"), [(1, "--data.negatives Fresh"), (0, "check what makes a row positive when you convert")]
)
def test_a_stream_of_one_class_is_refused_before_any_work(tmp_path: Path, label: int, mend: str) -> None:
    with pytest.raises(ConfigError, match=f"all 200 rows .* have label {label}, .*{mend}"):
        walk(tmp_path, source=Labelled([label] * 200))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", [0, 100, 199])
def test_a_stream_with_one_row_of_the_other_class_is_walked(tmp_path: Path, place: int) -> None:
    labels = [1] * 200
    labels[place] = 0
    model, _, _ = walk(tmp_path, source=Labelled(labels))
    assert list(model.results) == [3, 4, 5]
    assert all(result.diverged == {} for result in model.results.values())


def test_a_stream_of_positives_is_walked_with_fresh_negatives(tmp_path: Path) -> None:
    model, _, _ = walk(tmp_path, source=Labelled([1] * 200), negatives=Fresh())
    assert list(model.results) == [3, 4, 5]
