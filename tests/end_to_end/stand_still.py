"""A callback that halts a walk at a chosen place, so that it can be killed exactly there."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from asmg_pl.system import files
from asmg_pl.updaters import Updater


class StandStill(Callback):
    """Leaves a sign and sleeps: after a mini-batch of a phase, or while a file is being written after the phase."""

    def __init__(
        self, sign: str, period: int, phase: str, repeat: int = 0, batch: int | None = None, file: str = ".ckpt"
    ) -> None:
        """Name the place; without ``batch`` it lies after the last byte of a file, which then gets its name."""
        self.sign = Path(sign)
        self.place = (period, phase, repeat)
        self.batch = batch
        self.file = file

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if self.batch is None and self._there(pl_module):
            setattr(files, "sync", self._halt_at)  # noqa: B010 - to mypy a function cannot be assigned to

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx == self.batch and self._there(pl_module):
            self._halt()

    def _there(self, pl_module: LightningModule) -> bool:
        phase = cast(Updater, pl_module).phase
        return phase is not None and (phase.period, phase.name, phase.repeat) == self.place

    def _halt_at(self, path: Path) -> None:
        if self.file in path.name:
            self._halt()

    def _halt(self) -> None:
        self.sign.touch()
        time.sleep(600)
