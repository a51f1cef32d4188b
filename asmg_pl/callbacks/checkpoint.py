"""Checkpoints along the walk: one after each phase, the newest few kept; and one walk to a run folder."""

from __future__ import annotations

import logging
import uuid
from pathlib import Path
from typing import Any, cast

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities import rank_zero_only

from asmg_pl.callbacks.checkpoint_fit import check_loops, check_optimizers, check_place, check_types
from asmg_pl.callbacks.ownership import Ownership
from asmg_pl.callbacks.report import PeriodReport
from asmg_pl.callbacks.run_folder import CHECKPOINTS, IDENTITY, last_period, scored_periods, walk_in, write_identity
from asmg_pl.callbacks.shared_folder import check_shared
from asmg_pl.checkpoints.archive import FILES as NOTES
from asmg_pl.checkpoints.archive import Archive, timings_after
from asmg_pl.checkpoints.io import AtomicCheckpointIO, newest_first
from asmg_pl.checkpoints.values import Flaw
from asmg_pl.errors import CheckpointError, ConfigError, StorageError, UserError
from asmg_pl.system.files import PARTIAL, remove
from asmg_pl.updaters.base import Updater

log = logging.getLogger(__name__)

FOLDER = CHECKPOINTS


class PhaseCheckpoint(Checkpoint):
    """Saves ``checkpoints/period-PPPPPP-phase-NNN-NAME.ckpt`` in the run folder when a phase has ended.

    NNN is the phase's number in its period, so that names sort by the place in the walk. While several settings race
    (:mod:`asmg_pl.updaters.tuning.race`), there is one checkpoint a period, at its end, with all their states. A walk
    that is resumed from an earlier place abandons the later checkpoints, which are removed when its first one is
    written.

    With sharded tables a checkpoint is a folder (:mod:`asmg_pl.distributed.checkpoint`).

    A run folder holds one walk, which is known by a random number (:mod:`asmg_pl.callbacks.run_folder`), and one
    process at a time walks there (:mod:`asmg_pl.callbacks.ownership`). Both are checked before anything is
    written or removed.

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
        self._walk = uuid.uuid4().hex
        self._noted: str | None = None  # the walk that the run folder says that it holds
        self._ownership: Ownership | None = None
        self._resumed: dict[str, Any] = {}  # the checkpoint, until it has been checked
        self._archive = Archive()
        self._saves = False  # whether this callback is the one that saves
        self._kept: list[Path] | None = None  # its checkpoints in the run folder, once it has looked

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Have checkpoints read and written by this program; take the run folder.

        Raises:
            ConfigError: if another plugin writes checkpoints, another process walks in the run folder, or the processes
                of the walk see different ones.
        """
        plugin = trainer.strategy.checkpoint_io
        if type(plugin) is TorchCheckpointIO:
            trainer.strategy.checkpoint_io = AtomicCheckpointIO()
        elif not isinstance(plugin, AtomicCheckpointIO):
            raise ConfigError(
                f"trainer.plugins has {type(plugin).__name__}, and a walk can go on only from checkpoints that "
                "asmg_pl.checkpoints.io.AtomicCheckpointIO writes: leave the plugin out"
            )
        if stage != "fit":
            return
        check_shared(Path(trainer.default_root_dir) / FOLDER)
        refused = None
        if trainer.is_global_zero:
            self._ownership = Ownership(Path(trainer.default_root_dir))
            try:
                self._ownership.take()
                self._clear(Path(trainer.default_root_dir) / FOLDER)
            except UserError as error:
                refused = str(error)
        self._kept = None
        if refused := trainer.strategy.broadcast(refused):
            raise ConfigError(refused)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Check that the checkpoint fits the walk, which is its walk from now on.

        Raises:
            CheckpointError: naming what does not fit.
        """
        updater = cast(Updater, pl_module)
        self._walk, self._resumed = checkpoint.get("walk", self._walk), checkpoint
        here = Path(trainer.ckpt_path or "").resolve().parent == (Path(trainer.default_root_dir) / FOLDER).resolve()
        self._archive = Archive(checkpoint.get("filed") if here else None)
        try:
            check_place(updater)
            check_types(checkpoint, updater)
            check_loops(checkpoint["loops"]["fit_loop"], trainer.fit_loop.state_dict(), "loops.fit_loop")
        except Flaw as flaw:
            raise _unfit(trainer, flaw) from flaw

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add which walk it is, and whether it is in the middle of a phase.

        Notes of early periods stay in files of their own. A checkpoint that others save has all notes itself, as it may
        be saved anywhere.
        """
        checkpoint["walk"] = self._walk
        if self._saves and self._archive.entry is not None:
            checkpoint["filed"] = self._archive.entry
            if (report := checkpoint["callbacks"].get(PeriodReport.__qualname__)) is not None:
                report["timings"] = timings_after(report["timings"], self._archive.until)
        checkpoint["within_a_phase"] = cast(Updater, pl_module).place.running

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Protect an earlier walk; only now the trainer knows whether it resumes.

        Raises:
            ConfigError: if the run folder holds another walk, which this run neither resumes nor may overwrite.
            CheckpointError: if the checkpoint's optimisers do not fit the method's.
        """
        if resumed := self._resumed:
            self._resumed = {}
            try:
                check_optimizers(resumed, trainer.optimizers, cast(Updater, pl_module))
            except Flaw as flaw:
                raise _unfit(trainer, flaw) from flaw
        folder = Path(trainer.default_root_dir)
        self._noted = trainer.strategy.broadcast(walk_in(folder) if trainer.is_global_zero else None)
        if self._noted in (None, self._walk) or self.overwrite:
            return
        if trainer.ckpt_path is not None:
            raise ConfigError(
                f"{folder} holds another walk than {trainer.ckpt_path} is of: choose another run folder "
                "(--trainer.default_root_dir FOLDER), or replace what is there (--checkpoint.overwrite true)"
            )
        if not newest_first(folder / FOLDER):
            raise ConfigError(
                f"{folder} holds the results of an earlier walk, whose checkpoints are gone: choose another run folder "
                "(--trainer.default_root_dir FOLDER), or replace them (--checkpoint.overwrite true)"
            )
        raise ConfigError(
            f"{folder / FOLDER} holds an earlier walk: go on with it (--ckpt_path last), choose another run folder "
            "(--trainer.default_root_dir FOLDER), or replace it (--checkpoint.overwrite true)"
        )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove a walk that is to be overwritten, now that the new one begins; say what a resumed one will drop."""
        if not trainer.is_global_zero:
            return
        folder = Path(trainer.default_root_dir)
        if self._noted not in (None, self._walk):
            for path in [folder / IDENTITY, *newest_first(folder / FOLDER), *(folder / FOLDER).glob(NOTES)]:
                remove(path)
            self._noted = None
        elif trainer.ckpt_path is not None:
            _say_what_is_dropped(folder, Path(trainer.ckpt_path), list(cast(Updater, pl_module).results))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, then remove what is no longer kept."""
        updater = cast(Updater, pl_module)
        phase = updater.phase
        assert phase is not None
        if updater.race.within(phase.period, updater.place.period):
            return
        run_folder = Path(trainer.default_root_dir)
        folder = run_folder / FOLDER
        places = [(p.name, p.repeat, p.reading.turn) for p in updater.plan(phase.period)]
        number = places.index((phase.name, phase.repeat, phase.reading.turn))
        path = folder / f"period-{phase.period:06d}-phase-{number:03d}-{phase.name}.ckpt"
        timings = next((found.timings for found in _callbacks(trainer) if isinstance(found, PeriodReport)), [])
        self._archive.put_away(folder, updater.results, updater.learned, timings, write=trainer.is_global_zero)
        self._saves = True
        try:
            trainer.save_checkpoint(path, weights_only=False)
        finally:
            self._saves = False
        log.debug("%s is written", path)
        if not trainer.is_global_zero:
            return
        if self._noted != self._walk or not (run_folder / IDENTITY).exists():
            write_identity(run_folder, self._walk)
            self._noted = self._walk
        later: list[Path] = []
        first = self._kept is None
        if first:  # an earlier process may have left others
            there = newest_first(folder)
            later = [c for c in there if c.name > path.name]
            self._kept = [c for c in there if c.name < path.name]
        checkpoints = [path, *(self._kept or [])]
        if self.keep > 0:
            outdated = checkpoints[self.keep :]
        else:
            checkpoints = [c for c in checkpoints if last_period(c) == phase.period]
            outdated = checkpoints[1:]
        for checkpoint in [*later, *outdated]:
            remove(checkpoint)
        self._kept = [c for c in checkpoints if c not in outdated]
        if first:
            self._archive.remove_later(folder)  # after the checkpoints that need them

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the run folder back; if a disk is the reason, say what is kept and how to go on."""
        if isinstance(exception, StorageError):
            kept = newest_first(Path(trainer.default_root_dir) / FOLDER)
            exception.add_note(
                f"The walk is kept up to {kept[0].name}: go on with --ckpt_path last"
                if kept
                else "The walk has no checkpoint yet: begin again"
            )
        self.teardown(trainer, pl_module, "fit")

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give the run folder back."""
        self._resumed = {}
        if self._ownership is not None:
            self._ownership.release()
            self._ownership = None

    @rank_zero_only
    def _clear(self, folder: Path) -> None:
        """Remove what a walk that was killed while it wrote has left unfinished."""
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{folder} is no folder, and the walk's checkpoints go there: move it away")
        for partial in [*folder.glob(f"period-*.ckpt{PARTIAL}"), *folder.glob(f"{NOTES}{PARTIAL}")]:
            remove(partial)


def _callbacks(trainer: Trainer) -> list[Callback]:
    found: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return found


def _unfit(trainer: Trainer, flaw: Flaw) -> CheckpointError:
    return CheckpointError(f"{trainer.ckpt_path} does not fit this walk: {flaw}. Give an earlier one with --ckpt_path")


def _say_what_is_dropped(folder: Path, resumed: Path, results: list[int]) -> None:
    """Say which periods' results a walk drops that goes on from an earlier checkpoint than the folder's newest one."""
    beyond = [last_period(path) for path in newest_first(folder / FOLDER) if path.name > resumed.name]
    lost = sorted(set(scored_periods(folder)) - set(results))
    dropped = [f"its later checkpoints, up to period {max(beyond)}"] if beyond else []
    if len(lost) > (not beyond):  # one that was scored just before a kill comes again
        dropped.append(f"the results of periods {lost[0]} to {lost[-1]}")
    if dropped:
        log.warning(
            "the walk goes on from %s: %s are dropped when its first new one is written",
            *(resumed.name, ", and ".join(dropped)),
        )
