"""A callback that halts a walk at a chosen place, so that it can be killed exactly there."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, cast

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from asmg_pl.updaters import Updater


class StandStill(Callback):
    """Leaves a sign and sleeps: after a mini-batch of a phase, or while the phase's checkpoint is being written."""

    def __init__(self, sign: str, period: int, phase: str, repeat: int = 0, batch: int | None = None) -> None:
        """Name the place; without ``batch`` it lies between a checkpoint's last byte and its renaming."""
        self.sign = Path(sign)
        self.place = (period, phase, repeat)
        self.batch = batch

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if self.batch is None and self._there(pl_module):
            setattr(os, "fsync", self._halt)  # noqa: B010 - to mypy a function cannot be assigned to

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx == self.batch and self._there(pl_module):
            self._halt()

    def _there(self, pl_module: LightningModule) -> bool:
        phase = cast(Updater, pl_module).phase
        return phase is not None and (phase.period, phase.name, phase.repeat) == self.place

    def _halt(self, *_: Any) -> None:
        self.sign.touch()
        time.sleep(600)
