"""A run folder at an address: the walk works in a local copy, which goes up in the background after each phase."""

from __future__ import annotations

import logging
import shutil
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from asmg_pl.callbacks.run_folder import CHECKPOINTS
from asmg_pl.errors import BusyError, ConfigError, StorageError, UserError
from asmg_pl.serving.store import FOLDER
from asmg_pl.storage.copy import Change, Copy

log = logging.getLogger(__name__)


class RunMirror(Checkpoint):
    """Puts up what a phase has left: checkpoints, tables, packages, in one step.

    While it goes up, the walk goes on; when the next phase ends before that, the walk waits, so that at most one is
    behind. A walk that ends has put up everything. It is a :class:`lightning.pytorch.callbacks.Checkpoint`, so that
    Lightning calls it after all others, and after :class:`~asmg_pl.callbacks.PhaseCheckpoint`, which stands before it.
    """

    def __init__(self, copy: Copy) -> None:
        """Take the local copy, whose folder is the trainer's root."""
        self._copy = copy
        self._pool = ThreadPoolExecutor(1, "asmg-mirror")
        self._going_up: Future[None] | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse a walk whose checkpoint would be spread over several machines.

        Raises:
            ConfigError: if it would.
        """
        from asmg_pl.distributed import ShardedTables

        if trainer.num_nodes > 1 and isinstance(trainer.strategy, ShardedTables):
            raise ConfigError(
                "with sharded tables each machine writes its own part of a checkpoint, and the run folder's copy at an "
                "address is that of one machine: give a folder that all of them see (--trainer.default_root_dir FOLDER)"
            )

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep out other walks that have begun with the same listing.

        Raises:
            ConfigError: if another program has changed the run folder meanwhile, or it cannot be written.
        """
        refused = None
        if trainer.is_global_zero:
            try:
                self._copy.put(self._copy.change(), always=True)
                self._copy.remote.sweep()
            except UserError as error:
                refused = str(error)
        if refused := trainer.strategy.broadcast(refused):
            raise ConfigError(refused)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to put up what there is now.

        Raises:
            BusyError: if another program has taken over the run folder.
            StorageError: if the phase before could not be put up.
        """
        if trainer.is_global_zero:
            self._wait()
            aside = Path(tempfile.mkdtemp(prefix=".going-up-", dir=self._copy.folder.parent))
            self._going_up = self._pool.submit(self._put, self._copy.change(aside, _fixed), aside)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Put up what the walk has come to."""
        if trainer.is_global_zero and not isinstance(exception, BusyError):
            try:
                self._finish()
            except UserError as error:
                log.warning("%s", error)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Put up all that is left.

        Raises:
            BusyError: if another program has taken over the run folder.
            StorageError: if the object store does not take it.
        """
        if stage == "fit" and trainer.is_global_zero:
            self._finish()

    def _put(self, change: Change, aside: Path) -> None:
        try:
            self._copy.put(change)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _wait(self) -> None:
        """Wait for what is going up."""
        going, self._going_up = self._going_up, None
        if going is None:
            return
        try:
            going.result()
        except StorageError as error:
            error.add_note(
                "The walk is whole on this machine, in the cache: go on here with --ckpt_path last when the "
                "store answers, and it goes up"
            )
            raise

    def _finish(self) -> None:
        self._wait()
        self._copy.put(self._copy.change())


def _fixed(path: str) -> bool:
    """Whether a file of a run folder is never written again."""
    return path.startswith((f"{CHECKPOINTS}/", f"{FOLDER}/"))
