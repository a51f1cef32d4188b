"""Checkpoints of small walks: which are written, which are kept, and that none is lost by accident."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from lightning import Trainer
from lightning.pytorch.callbacks import Callback

from asmg_pl.callbacks import PeriodLoop, PhaseCheckpoint
from asmg_pl.checkpoints.io import AtomicCheckpointIO, newest_first, read_checkpoint
from asmg_pl.data import EqualCounts, PeriodDataModule
from asmg_pl.data.sources import DriftingStream
from asmg_pl.errors import ConfigError
from asmg_pl.updaters import IncrementalUpdate

pytestmark = pytest.mark.filterwarnings("ignore")


class Noting(AtomicCheckpointIO):
    """Notes the names that are written, and what is in the folder by then."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []
        self.there: list[list[str]] = []

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        self.there.append(kept(Path(path).parent.parent))
        super().save_checkpoint(checkpoint, path, storage_options)
        self.written.append(Path(path).name)


def walk(
    folder: Path,
    checkpoint: PhaseCheckpoint,
    until: int | None = None,
    ckpt_path: Path | None = None,
    plugins: Any = ...,
    callbacks: Sequence[Callback] = (),
    **updater: Any,
) -> Noting:
    """Five periods, two of which pre-train in one epoch."""
    data = PeriodDataModule(
        DriftingStream(users=10, items=12, rows=100, categories=3), periods=EqualCounts(5), history_size=2
    )
    model = IncrementalUpdate(data.sizes, **{"pretrain_periods": 2, "pretrain_epochs": 1} | updater)
    noting = Noting()
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=-1,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        default_root_dir=folder,
        plugins=[noting] if plugins is ... else plugins,
        callbacks=[checkpoint, PeriodLoop(until), *callbacks],
    )
    trainer.fit(model, datamodule=data, ckpt_path=ckpt_path)
    return noting


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").glob("*"))


WRITTEN = [
    "period-000002-phase-000-pretrain.ckpt",
    "period-000002-phase-001-select.ckpt",
    "period-000003-phase-000-score.ckpt",
    "period-000003-phase-001-update.ckpt",
    "period-000004-phase-000-score.ckpt",
    "period-000004-phase-001-update.ckpt",
    "period-000005-phase-000-score.ckpt",
    "period-000005-phase-001-update.ckpt",
]


@pytest.mark.parametrize("keep", [1, 2, 3, 100])
def test_each_phase_writes_a_checkpoint_and_the_newest_few_are_kept(tmp_path: Path, keep: int) -> None:
    noting = walk(tmp_path, PhaseCheckpoint(keep))
    assert noting.written == WRITTEN
    assert kept(tmp_path) == WRITTEN[-keep:]
    assert max(map(len, noting.there)) == min(keep, len(WRITTEN) - 1)


def test_the_last_checkpoint_of_every_period_may_be_kept(tmp_path: Path) -> None:
    walk(tmp_path, PhaseCheckpoint(keep=-1))
    assert kept(tmp_path) == WRITTEN[1::2]


def test_an_older_checkpoint_goes_only_after_a_newer_one_is_there(tmp_path: Path) -> None:
    noting = walk(tmp_path, PhaseCheckpoint(keep=1))
    assert noting.there == [[], *([name] for name in WRITTEN[:-1])]


def test_passes_over_one_period_are_numbered(tmp_path: Path) -> None:
    noting = walk(tmp_path, PhaseCheckpoint(keep=-1), until=3, passes=3)
    assert noting.written[2:] == [
        "period-000003-phase-000-score.ckpt",
        "period-000003-phase-001-update.ckpt",
        "period-000003-phase-002-update.ckpt",
        "period-000003-phase-003-update.ckpt",
    ]
    assert kept(tmp_path) == [noting.written[1], noting.written[-1]]


def test_names_sort_by_the_place_in_the_walk_during_pretraining_too(tmp_path: Path) -> None:
    noting = walk(tmp_path, PhaseCheckpoint(keep=100), until=2, pretrain_epochs=3)
    assert sorted(noting.written) == noting.written


def test_the_newest_checkpoint_is_kept_during_pretraining_too(tmp_path: Path) -> None:
    noting = walk(tmp_path, PhaseCheckpoint(keep=1), until=2, pretrain_epochs=3)
    assert noting.there[1:] == [[name] for name in noting.written[:-1]]


def test_a_checkpoint_has_the_place_after_its_phase_and_its_result(tmp_path: Path) -> None:
    """Although the callback stands before the period loop here: checkpoints are written last."""
    walk(tmp_path, PhaseCheckpoint(keep=2))
    score, update = (read_checkpoint(tmp_path / "checkpoints" / name) for name in WRITTEN[-2:])
    assert score["place"] == {"period": 5, "phase": 1, "trained_until": 4}
    assert update["place"] == {"period": 6, "phase": 0, "trained_until": 5}
    assert list(score["results"]) == [3, 4, 5]


def test_an_earlier_walk_is_not_overwritten(tmp_path: Path) -> None:
    walk(tmp_path, PhaseCheckpoint(), until=3)
    before = {path: path.read_bytes() for path in newest_first(tmp_path / "checkpoints")}
    assert len(before) == 2
    with pytest.raises(ConfigError, match=rf"{tmp_path}/checkpoints holds an earlier walk.*--ckpt_path last"):
        walk(tmp_path, PhaseCheckpoint())
    assert {path: path.read_bytes() for path in newest_first(tmp_path / "checkpoints")} == before


def test_an_earlier_walk_is_replaced_when_asked_to(tmp_path: Path) -> None:
    walk(tmp_path, PhaseCheckpoint(keep=-1))
    walk(tmp_path, PhaseCheckpoint(keep=-1, overwrite=True), until=3)
    assert kept(tmp_path) == [WRITTEN[1], WRITTEN[3]]


def test_going_on_with_an_earlier_walk_keeps_its_checkpoints(tmp_path: Path) -> None:
    walk(tmp_path, PhaseCheckpoint(keep=-1), until=3)
    noting = walk(tmp_path, PhaseCheckpoint(keep=-1), ckpt_path=tmp_path / "checkpoints" / WRITTEN[3])
    assert noting.written == WRITTEN[4:]
    assert kept(tmp_path) == WRITTEN[1::2]


def test_going_on_from_an_earlier_place_keeps_what_it_writes(tmp_path: Path) -> None:
    walk(tmp_path, PhaseCheckpoint(keep=-1))
    start = tmp_path / "checkpoints" / WRITTEN[1]
    noting = walk(tmp_path, PhaseCheckpoint(keep=2), until=3, ckpt_path=start, learning_rate=0.1)
    assert noting.written == WRITTEN[2:4]
    assert newest_first(tmp_path / "checkpoints")[0].name == WRITTEN[3]


@pytest.mark.parametrize("keep", [0, -2])
def test_keeping_no_checkpoint_is_refused(keep: int) -> None:
    with pytest.raises(ConfigError, match=rf"checkpoint\.keep must be -1 or at least 1, got {keep}"):
        PhaseCheckpoint(keep)
