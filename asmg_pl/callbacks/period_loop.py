"""The period loop: which phase comes next, until the stream ends."""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import DDPStrategy

from asmg_pl.callbacks.order import check_order
from asmg_pl.callbacks.others import ADDED, refuse_callback
from asmg_pl.data.datamodule import PeriodDataModule
from asmg_pl.data.mini_batches.loader import steps_in
from asmg_pl.data.place import Place
from asmg_pl.distributed import ShardedTables
from asmg_pl.errors import ConfigError, WalkInterruptedError
from asmg_pl.system.signals import catch_again, is_stopping
from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.memory import bytes_by_component, require
from asmg_pl.updaters.walking.listeners import overrides
from asmg_pl.updaters.walking.phase import Phase

log = logging.getLogger(__name__)

#: Trainer settings without which a walk would go wrong, and why.
REQUIRED = {
    "fast_dev_run": (False, "one epoch is only one phase; for a short run, use --loop.until"),
    "overfit_batches": (0.0, "a phase reads all rows of its periods"),
    "max_epochs": (-1, "an epoch is one phase of one period, and the walk ends with the stream"),
    "max_steps": (-1, "the walk ends with the stream; to stop at a period, use --loop.until"),
    "min_steps": (None, "the walk ends with the stream"),
    "min_epochs": (None, "the walk ends with the stream"),
    "reload_dataloaders_every_n_epochs": (1, "each phase reads other rows"),
    "limit_train_batches": (1.0, "a phase reads all rows of its periods; for a shorter run, use --loop.until"),
    "val_check_interval": (1.0, "a walk has no validation: each period is scored before anything is trained on it"),
}

#: Precisions under which parameters stay float32.
PRECISIONS = ("32-true", "bf16-mixed")

REQUIRED_IN_EVALUATION = {
    "fast_dev_run": (False, "a period is scored on all its rows; to score fewer periods, use --data.evaluate"),
    "limit_val_batches": (1.0, "a period is scored on all its rows; to score fewer periods, use --data.evaluate"),
    "limit_test_batches": (1.0, "a period is scored on all its rows; to score fewer periods, use --data.evaluate"),
}


class PeriodLoop(Callback):
    """Walks the stream inside one ``trainer.fit``: one epoch is one phase of one period.

    Attributes:
        place: where the walk stands. The loop alone moves it, and keeps it in every checkpoint. The updater sees it.
        takes_bundles: whether the hooks of a mini-batch may be called once for several, with a list of them. Where a
            callback has such hooks and not this attribute, each mini-batch comes by itself.
    """

    takes_bundles = True

    def __init__(self, until: int | None = None) -> None:
        """Set the walk's end.

        Args:
            until: the last period to walk; by default all that the stream has. A later run with ``--ckpt_path last``
                can go on from there.
        """
        self.until = until
        self.place = Place(until=until)
        self._next: Phase | None = None  # the running phase, or the next one
        self._ahead = 0  # mini-batches that the running phase still has

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Show the walk's place to updater and data; refuse what would make the walk or an evaluation go wrong.

        Raises:
            ConfigError: naming the setting or the callback, and the reason.
        """
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        if len([found for found in callbacks if isinstance(found, PeriodLoop)]) > 1:
            raise ConfigError("trainer.callbacks has PeriodLoop twice, and a walk has one: leave the other out")
        check_order(callbacks, self)
        for name, (needed, reason) in (REQUIRED if stage == "fit" else REQUIRED_IN_EVALUATION).items():
            value = getattr(trainer, name)
            if (value or None) != (needed or None):  # Lightning writes "not set" as None, 0 or False
                raise ConfigError(f"trainer.{name} must be {needed}, not {value}: {reason}")
        if trainer.world_size > 1 and not isinstance(trainer.strategy, (DDPStrategy, ShardedTables)):
            raise ConfigError(
                "trainer.strategy must be ddp or sharded (asmg_pl.distributed.ShardedTables) on several devices, not "
                f"{type(trainer.strategy).__name__}: each of them holds the whole model, or its rows of the tables"
            )
        if trainer.precision not in PRECISIONS:
            raise ConfigError(
                f"trainer.precision must be one of {', '.join(PRECISIONS)}, not {trainer.precision}: a generator works "
                "on differences of snapshots, which parameters of lower precision would swallow"
            )
        updater = _updater(pl_module)
        self.place = Place(until=self.until)
        updater.follow(self.place)
        data = updater.data
        data.evaluate_after = self.place.trained_until
        if stage != "fit":
            return
        for callback in callbacks:
            if type(callback).__name__ not in ADDED and not type(callback).__module__.startswith("asmg_pl."):
                refuse_callback([kind.__name__ for kind in type(callback).__mro__])
        if data.last_period <= updater.pretrain_periods:
            raise ConfigError(
                f"the stream has {data.last_period} periods and pre-training takes {updater.pretrain_periods}, which "
                "leaves none to walk: lower model.pretrain_periods or cut time finer (data.periods)"
            )
        if self.until is not None and self.until < updater.pretrain_periods:
            raise ConfigError(
                f"loop.until is {self.until}, but pre-training takes {updater.pretrain_periods} periods: let the walk "
                "go at least as far"
            )
        data.bundles = not (_sees_each(updater) or any(_sees_each(callback) for callback in callbacks))
        _check_classes(data)
        if updater.pretrain_periods and not updater.pretraining.given:
            _check_pretraining(data, updater.pretrain_periods)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the place."""
        checkpoint["place"] = self.place.state_dict()

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Go to the checkpoint's place, to walk on from there or to evaluate what follows."""
        self.place.load_state_dict(checkpoint["place"])
        _updater(pl_module).data.evaluate_after = self.place.trained_until

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the first phase, after a checkpoint has been restored or a pre-trained model taken over.

        Raises:
            ConfigError: if the copies of the models that race do not fit into memory.
        """
        updater = _updater(pl_module)
        if waiting := updater.race.most_waiting:
            require(bytes_by_component(updater, waiting), updater.device)
        if updater.pretraining.given and self.place.period == 0:
            updater.take_over_pretraining(Path(updater.pretraining.given))
            self.place.end_pretraining(updater.pretrain_periods)
        self._find_phase(trainer, updater)
        if self._next is None and trainer.is_global_zero:
            log.info("nothing new: the walk has been through period %d, the last one", updater.last_period)
            if left_over := updater.data.waiting():
                log.info(left_over)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take back the signals: Lightning's handler would have the walk go on for a while, and wait for others."""
        catch_again()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """End the processes that this one has launched, if it was asked to stop."""
        if is_stopping() and trainer.strategy.launcher is not None:
            trainer.strategy.launcher.kill(signal.SIGKILL)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin the phase."""
        updater = _updater(pl_module)
        assert self._next is not None
        self.place.begin_phase()
        updater.phase = self._next
        updater.train(self._next.trains)
        self._ahead = updater.data.mini_batches(self._next.reading)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the phase's mini-batches."""
        self._ahead -= len(steps_in(batch))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the phase and find the next one.

        Raises:
            WalkInterruptedError: if something stopped the trainer within the phase, whose work is lost.
        """
        phase = self._next
        assert phase is not None
        if self._ahead:
            raise WalkInterruptedError(
                f"stopped in period {phase.period} · {phase.name} (by trainer.max_time or a callback), "
                f"{self._ahead} mini-batches before its end: go on from its beginning with --ckpt_path last"
            )
        updater = _updater(pl_module)
        self._end(phase, updater)
        self._find_phase(trainer, updater)

    def _find_phase(self, trainer: Trainer, updater: Updater) -> None:
        """Find the next phase that has mini-batches, and have the data module read them.

        A phase without mini-batches is only ended. If no phase is left, the trainer stops.
        """
        data, place = updater.data, self.place
        self._next = data.reading = None
        while place.period <= updater.last_period:
            updater.stand_at(place.period)
            phases = updater.plan(place.period)
            if place.phase == len(phases):
                place.next_period()
            elif data.mini_batches(phases[place.phase].reading):
                self._next = phases[place.phase]
                data.reading = self._next.reading
                return
            else:
                self._end(phases[place.phase], updater)
        trainer.should_stop = True

    def _end(self, phase: Phase, updater: Updater) -> None:
        """End a phase, and only then move on: if its end fails, it has not been."""
        updater.end(phase)
        self.place.end_phase(phase.reading.periods if phase.trains else ())


def _sees_each(listener: Callback | LightningModule) -> bool:
    """Whether a callback or an updater has a hook for each mini-batch, and does not take them in bundles."""
    plain = Callback if isinstance(listener, Callback) else LightningModule
    own = overrides(listener, plain, "on_train_batch_start", "on_train_batch_end")
    return own and not getattr(listener, "takes_bundles", False)


def _check_classes(data: PeriodDataModule) -> None:
    """Refuse a stream on which no period can ever have an AUC."""
    rows = data.rows_of(1, len(data.boundaries) - 1)
    if data.classes(1, len(data.boundaries) - 1) != 1:
        return
    positive = bool(data.log.between(rows.start, rows.start + 1).label)
    mend = (
        "draw negatives, afresh in each pass (--data.negatives Fresh) or once (asmg convert … --negatives 1)"
        if positive
        else "check what makes a row positive when you convert (--label, or --rating with --positive-from)"
    )
    raise ConfigError(
        f"all {len(rows):,} rows of the stream's periods have label {int(positive)}, so that there is nothing to tell "
        f"apart and no period has an AUC: {mend}"
    )


def _check_pretraining(data: PeriodDataModule, periods: int) -> None:
    mend = "cut time coarser (data.periods) or change model.pretrain_periods"
    if not data.classes(1, periods):
        raise ConfigError(f"periods 1 to {periods}, which pre-train, have no rows: {mend}")
    if not data.classes(periods + 1, periods + 1):
        raise ConfigError(f"period {periods + 1}, by which the epoch of pre-training is chosen, has no rows: {mend}")


def _updater(module: LightningModule) -> Updater:
    """The module, which must be an updater.

    Raises:
        ConfigError: if it is none.
    """
    if not isinstance(module, Updater):
        raise ConfigError(
            f"PeriodLoop walks an asmg_pl.updaters.Updater along a stream, and {type(module).__name__} is none: derive "
            "it from Updater (docs/updater.md), or leave the callback out"
        )
    return module
