"""A callback with which a walk waits in a period until a file is there, so that it can be met exactly there."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, cast

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from asmg_pl.updaters import Updater


class Waiting(Callback):
    """Appends its process to ``waits`` in the run folder, and waits for ``go-METHOD`` in the working folder."""

    def __init__(self, period: int) -> None:
        """Name the period."""
        self.period = period
        self.waited = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        phase = cast(Updater, pl_module).phase
        if self.waited or phase is None or phase.period != self.period:
            return
        self.waited, folder = True, Path(trainer.default_root_dir)
        with (folder / "waits").open("a") as waits:
            waits.write(f"{os.getpid()}\n")
        while not Path(f"go-{folder.parent.name}").exists():
            time.sleep(0.05)
