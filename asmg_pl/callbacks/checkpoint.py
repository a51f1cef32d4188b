"""Checkpoints along the walk: one after each phase, the newest few kept."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import cast

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities import rank_zero_only

from asmg_pl.checkpoint_io import newest_first
from asmg_pl.errors import ConfigError
from asmg_pl.updaters.base import Updater

FOLDER = "checkpoints"


class PhaseCheckpoint(Checkpoint):
    """Saves ``checkpoints/period-PPPPPP-phase-NNN-NAME.ckpt`` in the run folder when a phase has ended.

    NNN is the phase's place in its period, so that names sort by the place in the walk. A walk that is resumed from an
    earlier place abandons the later checkpoints: they are removed when its first one is written.

    With sharded tables a checkpoint is a folder (:mod:`asmg_pl.sharding.checkpoint`).

    It is a :class:`lightning.pytorch.callbacks.Checkpoint`, so that Lightning calls it after all other callbacks.
    """

    def __init__(self, keep: int = 2, overwrite: bool = False) -> None:
        """Set what is kept.

        Args:
            keep: how many of the newest checkpoints are kept; -1 keeps the last of every period.
            overwrite: whether a new walk may replace an earlier one in the same run folder.
        """
        if keep == 0 or keep < -1:
            raise ConfigError(f"checkpoint.keep must be -1 or at least 1, got {keep}")
        self.keep = keep
        self.overwrite = overwrite

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Protect an earlier walk; only now the trainer knows whether it resumes.

        Raises:
            ConfigError: if the run folder has checkpoints, and this run neither resumes nor may overwrite them.
        """
        if trainer.ckpt_path is not None:
            return
        folder = Path(trainer.default_root_dir) / FOLDER
        old = newest_first(folder)
        if old and not self.overwrite:
            raise ConfigError(
                f"{folder} holds an earlier walk: go on with it (--ckpt_path last), choose another run folder "
                "(--trainer.default_root_dir FOLDER), or replace it (--checkpoint.overwrite true)"
            )
        self._remove(old)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, then remove what is no longer kept."""
        updater = cast(Updater, pl_module)
        phase = updater.phase
        assert phase is not None
        folder = Path(trainer.default_root_dir) / FOLDER
        place = [(p.name, p.repeat) for p in updater.plan(phase.period)].index((phase.name, phase.repeat))
        path = folder / f"period-{phase.period:06d}-phase-{place:03d}-{phase.name}.ckpt"
        trainer.save_checkpoint(path, weights_only=False)
        checkpoints = newest_first(folder)
        self._remove(checkpoints[: checkpoints.index(path)])
        checkpoints = checkpoints[checkpoints.index(path) :]
        if self.keep > 0:
            self._remove(checkpoints[self.keep :])
        else:
            of_this_period = [c for c in checkpoints if c.name.startswith(f"period-{phase.period:06d}")]
            self._remove(of_this_period[1:])

    @rank_zero_only
    def _remove(self, checkpoints: list[Path]) -> None:
        for checkpoint in checkpoints:
            if checkpoint.is_dir():
                shutil.rmtree(checkpoint)
            else:
                checkpoint.unlink(missing_ok=True)
