"""A callback that halts a process of a walk once, so that its machine can be lost exactly there."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, cast

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from asmg_pl.updaters import Updater


class Halt(Callback):
    """Halts after the second mini-batch of a period's update, and notes how many processes walk each phase.

    The folder gets ``walked.txt``, a line ``period phase processes`` for each phase begun, and a file of the machine's
    name at each halt, with the ids of the process and of the one that has started it. A machine's name is the
    environment variable ``MACHINE``.
    """

    def __init__(self, folder: str, places: dict[str, list[int]], stop: bool = False) -> None:
        """Name the machines that halt, and for each the number of processes and the period; ``stop`` by SIGSTOP."""
        self.folder, self.places, self.stop = Path(folder), places, stop
        self.machine = os.environ.get("MACHINE", "")

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        phase = cast(Updater, pl_module).phase
        assert phase is not None
        if trainer.is_global_zero and batch_idx == 0:
            with (self.folder / "walked.txt").open("a") as file:
                file.write(f"{phase.period} {phase.name} {trainer.world_size}\n")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        phase, sign = cast(Updater, pl_module).phase, self.folder / self.machine
        assert phase is not None
        here = phase.name == "update" and batch_idx == 1
        if not here or self.places.get(self.machine) != [trainer.world_size, phase.period] or sign.exists():
            return
        written = sign.with_suffix(".new")
        written.write_text(f"{os.getpid()} {os.getppid()}")
        written.rename(sign)
        if self.stop:
            os.kill(os.getpid(), signal.SIGSTOP)
        else:
            time.sleep(600)
