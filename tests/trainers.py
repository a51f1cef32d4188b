"""A trainer as a user of Lightning writes it, with what a walk needs and nothing else."""

from __future__ import annotations

from pathlib import Path

from lightning import Callback, Trainer

from asmg_pl.callbacks.defaults import TRAINER_DEFAULTS


def trainer(folder: Path, *callbacks: Callback) -> Trainer:
    """A trainer on the CPU, with these callbacks alone."""
    quiet = {"enable_checkpointing": False, "enable_progress_bar": False}
    return Trainer(**(TRAINER_DEFAULTS | quiet), accelerator="cpu", default_root_dir=folder, callbacks=list(callbacks))
