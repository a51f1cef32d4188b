"""A callback that ends one process of a walk at a chosen place."""

from __future__ import annotations

import os
import signal
from typing import Any, cast

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from asmg_pl.updaters import Updater


class DropOut(Callback):
    """After the second mini-batch of a period's update, the process is killed, or fails with an error."""

    def __init__(self, rank: int, period: int, error: bool = False) -> None:
        """Name the process and the period."""
        self.rank, self.period, self.error = rank, period, error

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        phase = cast(Updater, pl_module).phase
        assert phase is not None
        if (trainer.global_rank, phase.period, phase.name, batch_idx) == (self.rank, self.period, "update", 1):
            if self.error:
                raise ZeroDivisionError("a bug on one device")
            os.kill(os.getpid(), signal.SIGKILL)
