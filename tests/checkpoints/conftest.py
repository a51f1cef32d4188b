"""A small real checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from lightning import Trainer

from asmg_pl.callbacks import PeriodLoop, PhaseCheckpoint
from asmg_pl.checkpoints.io import newest_first
from asmg_pl.data import EqualCounts, PeriodDataModule
from asmg_pl.data.sources import DriftingStream
from asmg_pl.recommenders import EmbeddingMLP
from asmg_pl.updaters import SPMF, Updater

Fit = Callable[..., Updater]


def walk(
    folder: Path, ckpt_path: Path | None = None, until: int | None = None, method: type[Updater] = SPMF, keep: int = 9
) -> Updater:
    """Walk four short periods, one of which pre-trains."""
    data = PeriodDataModule(
        DriftingStream(users=9, items=8, rows=60, categories=3), periods=EqualCounts(4), history_size=2
    )
    updater = method(
        data.sizes,
        recommender=lambda sizes: EmbeddingMLP(sizes, embedding_dim=2, hidden=[2]),
        pretrain_periods=1,
        pretrain_epochs=1,
        test_from=2,
    )
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=-1,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        default_root_dir=folder,
        callbacks=[PeriodLoop(until), PhaseCheckpoint(keep)],
    )
    trainer.fit(updater, datamodule=data, ckpt_path=ckpt_path)
    return updater


@pytest.fixture
def fit() -> Fit:
    """Walk four short periods, see :func:`walk`."""
    return walk


@pytest.fixture(scope="session")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a whole walk; not to be changed."""
    folder = tmp_path_factory.mktemp("walked")
    walk(folder)
    return folder


@pytest.fixture
def checkpoint(walked: Path) -> Path:
    """The checkpoint in the middle of the walk's period 3; not to be changed."""
    found = {path.stem: path for path in newest_first(walked / "checkpoints")}
    return found["period-000003-phase-001-rank"]
