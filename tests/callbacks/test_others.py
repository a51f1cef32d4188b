"""Callbacks of Lightning's that a walk cannot have."""

from __future__ import annotations

import lightning.pytorch.callbacks
import pytest
from lightning import Trainer
from lightning.pytorch.callbacks import EarlyStopping

import asmg_pl.callbacks
from asmg_pl.callbacks import PeriodLoop
from asmg_pl.callbacks.others import ADDED, REFUSED, refuse_callback
from asmg_pl.data import PeriodDataModule
from asmg_pl.data.sources import DriftingStream
from asmg_pl.errors import ConfigError
from asmg_pl.updaters import IncrementalUpdate


@pytest.mark.parametrize("name", REFUSED)
def test_each_class_that_is_refused_exists(name: str) -> None:
    assert hasattr(lightning.pytorch.callbacks, name) or hasattr(asmg_pl.callbacks, name)
    with pytest.raises(ConfigError, match=rf"trainer\.callbacks has {name}, which a walk cannot have: "):
        refuse_callback([name])


@pytest.mark.parametrize("name", ["LearningRateMonitor", "DeviceStatsMonitor", "ModelSummary", "LambdaCallback"])
def test_others_are_taken(name: str) -> None:
    refuse_callback([kind.__name__ for kind in getattr(lightning.pytorch.callbacks, name).__mro__])


def test_what_inherits_from_a_refused_class_is_refused_in_python_too() -> None:
    class Mine(EarlyStopping):
        pass

    data = PeriodDataModule(DriftingStream(users=10, items=12, rows=200, categories=3))
    trainer = Trainer(
        accelerator="cpu",
        logger=False,
        max_epochs=-1,
        reload_dataloaders_every_n_epochs=1,
        enable_checkpointing=False,
        callbacks=[PeriodLoop(), Mine(monitor="x")],
    )
    with pytest.raises(
        ConfigError, match=r"trainer\.callbacks has Mine, which a walk cannot have: a walk has no valid"
    ):
        trainer.fit(IncrementalUpdate(data.sizes), data)
    assert "TQDMProgressBar" in ADDED, "which this trainer has too"
