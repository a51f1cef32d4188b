"""Serving packages from the checkpoints of a run: the walk's classes are made anew, and nothing is walked."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from asmg_pl.callbacks import PeriodLoop, period_loop
from asmg_pl.callbacks.packaging import completed_period, on_first_process
from asmg_pl.callbacks.run_folder import CHECKPOINTS, last_period
from asmg_pl.checkpoints.io import newest_first, read_checkpoint
from asmg_pl.cli.run_classes import walk_of
from asmg_pl.errors import ConfigError
from asmg_pl.serving.store import Store
from asmg_pl.serving.writer import write
from asmg_pl.system.quiet import quiet
from asmg_pl.updaters import ASMG, Updater


class StoreOnce(Callback):
    """Adds a package to a store when a checkpoint has been restored.

    Attributes:
        name: the name of the version.
    """

    def __init__(self, store: Store) -> None:
        """Take the store.

        Args:
            store: gets the package.
        """
        self.name = ""
        self._store = store

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the package."""
        assert isinstance(pl_module, Updater)
        if isinstance(pl_module, ASMG):
            pl_module.compile_generator = False  # nothing is generated any more
        period = completed_period(pl_module)
        self.name = (
            on_first_process(
                pl_module,
                pl_module.data,
                lambda contents: self._store.add(period, lambda folder: write(contents, folder)),
            )
            or ""
        )


def export(folder: Path, store: Store, root: str | Path | None = None, period: int | None = None) -> str:
    """Add a package of a run's checkpoint to a store; it does not serve yet.

    Args:
        folder: the run folder.
        store: where the package goes.
        root: of the stream, a folder or an address, if it is another one than in the run's configuration.
        period: the last period that the model has been trained on; by default the newest one that is complete.

    Returns:
        The name of the version.

    Raises:
        UserError: if there is no such checkpoint, or the package cannot be made or written.
    """
    checkpoint = checkpoint_of(folder, period)
    walk = walk_of(folder, "export", ["--data.root", str(root)] if root else [])
    adding = StoreOnce(store)
    with _silent():
        trainer = walk.instantiate_trainer(
            accelerator="cpu",
            enable_checkpointing=False,
            callbacks=[PeriodLoop(until=last_period(checkpoint)), adding],
        )
        trainer.fit(walk.model, walk.datamodule, ckpt_path=str(checkpoint), weights_only=True)
    return adding.name


def checkpoint_of(folder: Path, period: int | None = None) -> Path:
    """The checkpoint of a run at the end of a period, by default of the newest period that is complete.

    Raises:
        ConfigError: if there is none; the message says which there are.
        CheckpointError: if it cannot be read.
    """
    there: dict[int, Path] = {}
    for path in newest_first(folder / CHECKPOINTS):
        there.setdefault(last_period(path), path)
    if not there:
        raise ConfigError(f"{folder} has no checkpoint: give the folder of a run of asmg fit")
    complete = [*there]
    if read_checkpoint(there[complete[0]])["place"]["period"] <= complete[0]:
        del complete[0]  # the walk is in the middle of the newest period
    wanted = complete[:1] if period is None else [number for number in complete if number == period]
    if not wanted:
        asked = "a period's end" if period is None else f"the end of period {period}"
        kept = ", ".join(str(number) for number in reversed(complete)) or "none"
        raise ConfigError(
            f"{folder / CHECKPOINTS} has no checkpoint of {asked}; those of the end of a period are: {kept}. Walk on "
            "(asmg fit … --ckpt_path last), or keep one of each period (--checkpoint.keep -1) and walk again"
        )
    return there[wanted[0]]


@contextmanager
def _silent() -> Iterator[None]:
    """A context in which nobody speaks of a walk, since there is none."""
    logger = logging.getLogger(period_loop.__name__)
    level = logger.level
    with quiet(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Be aware that when using `ckpt_path`, callbacks")  # they only report
        logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            logger.setLevel(level)
