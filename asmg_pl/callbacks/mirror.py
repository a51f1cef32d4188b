"""A run folder at an address: the walk works in a local copy, which goes up in the background after each phase."""

from __future__ import annotations

import logging
import shutil
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from asmg_pl.callbacks.machines import Parts, leaders
from asmg_pl.callbacks.run_folder import CHECKPOINTS
from asmg_pl.distributed.board import Board
from asmg_pl.errors import BusyError, ConfigError, StorageError, UserError
from asmg_pl.serving.store import FOLDER
from asmg_pl.storage.copy import Change, Copy

log = logging.getLogger(__name__)


class RunMirror(Checkpoint):
    """Puts up what a phase has left: checkpoints, tables, packages, in one step.

    While it goes up, the walk goes on; when the next phase ends before that, the walk waits, so that at most one is
    behind. A walk that ends has put up everything. With sharded tables on several machines, each machine puts up its
    part (:mod:`asmg_pl.callbacks.machines`).

    It is a :class:`lightning.pytorch.callbacks.Checkpoint`, so that Lightning calls it after all others, and after
    :class:`~asmg_pl.callbacks.PhaseCheckpoint`, which stands before it.
    """

    def __init__(self, copy: Copy) -> None:
        """Take the local copy, whose folder is the trainer's root."""
        self._copy = copy
        self._pool = ThreadPoolExecutor(1, "asmg-mirror")
        self._going_up: Future[None] | None = None
        self._parts: Parts | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find out whether checkpoints will be spread over the copies of several machines."""
        from asmg_pl.distributed import ShardedTables

        if trainer.num_nodes == 1 or not isinstance(trainer.strategy, ShardedTables):
            return
        machines, board = leaders(self._copy, trainer.local_rank), Board()
        if len(machines) > 1:
            rank = trainer.global_rank
            trainer.strategy.leads = rank in machines
            if rank in machines:
                self._parts = Parts(self._copy, board, machines.index(rank), len(machines))

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
        if self._leads(trainer):
            self._wait()
            aside = Path(tempfile.mkdtemp(prefix=".going-up-", dir=self._copy.folder.parent))
            self._going_up = self._pool.submit(self._put, self._copy.change(aside, _fixed), aside)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Put up what the walk has come to; of several machines, what has been on its way up."""
        if self._leads(trainer) and not isinstance(exception, BusyError):
            try:
                if self._parts is None:
                    self._finish()
                else:
                    self._parts.give_up()
                    self._wait()
                    self._parts.close()
            except UserError as error:
                log.warning("%s", error)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Put up all that is left.

        Raises:
            BusyError: if another program has taken over the run folder.
            StorageError: if the object store does not take it.
        """
        if stage == "fit" and self._leads(trainer):
            self._finish()
            if self._parts is not None:
                self._parts.leave_together()

    def _leads(self, trainer: Trainer) -> bool:
        """Whether this process puts up what its machine has."""
        return trainer.is_global_zero or self._parts is not None

    def _put(self, change: Change, aside: Path | None = None) -> None:
        try:
            self._copy.put(change) if self._parts is None else self._parts.put(change)
        finally:
            if aside is not None:
                shutil.rmtree(aside, ignore_errors=True)

    def _wait(self) -> None:
        """Wait for what is going up."""
        going, self._going_up = self._going_up, None
        if going is None:
            return
        try:
            going.result()
        except StorageError as error:
            if self._parts is None:
                error.add_note(
                    "The walk is whole on this machine, in the cache: go on here with --ckpt_path last when the "
                    "store answers, and it goes up"
                )
            raise
        if self._parts is not None:
            self._parts.settle()

    def _finish(self) -> None:
        self._wait()
        self._put(self._copy.change())


def _fixed(path: str) -> bool:
    """Whether a file of a run folder is never written again."""
    return path.startswith((f"{CHECKPOINTS}/", f"{FOLDER}/"))
