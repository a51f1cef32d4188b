"""A progress bar over the whole walk that names the period and the phase."""

from __future__ import annotations

from typing import Any, cast

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from tqdm import tqdm

from asmg_pl.data.mini_batches.loader import steps_in
from asmg_pl.system.screen import bar_options
from asmg_pl.updaters.base import Updater


class PeriodProgress(ProgressBar):
    """One bar for the walk, counted in mini-batches: ``period 14/31 · generate``."""

    takes_bundles = True

    def __init__(self, enable: bool = True) -> None:
        """Create the bar; it appears when the walk starts.

        Args:
            enable: whether it is shown; ``--trainer.enable_progress_bar false`` says the same.
        """
        super().__init__()
        self._bar: tqdm[Any] | None = None
        self._wanted = enable
        self._enabled = True
        self._ahead = _Ahead()

    def disable(self) -> None:
        """Called by Lightning on all ranks but the first."""
        self._enabled = False

    def enable(self) -> None:
        """Undo :meth:`disable`."""
        self._enabled = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar."""
        updater = cast(Updater, pl_module)
        self._bar = tqdm(
            total=self._ahead.count(updater),
            desc=f"period {updater.place.period}/{updater.last_period}",
            disable=not (self._wanted and self._enabled),
            **bar_options(),
        )

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Name the period and the phase; count again, since some phases learn on the way how many rows they read."""
        updater = cast(Updater, pl_module)
        phase = updater.phase
        if self._bar is not None and phase is not None:
            pass_ = f" {phase.repeat + 1}" if phase.repeat else ""
            self._bar.total = self._bar.n + self._ahead.count(updater)
            where = f"period {phase.period}/{updater.last_period}"
            self._bar.set_description(f"{where} · {phase.name}{pass_}", refresh=False)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move on by one, or by a bundle."""
        if self._bar is not None:
            self._bar.update(len(steps_in(batch)))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Take the bar away."""
        self.on_train_end(trainer, pl_module)


class _Ahead:
    """Counts the mini-batches from the walk's place to its end.

    The periods to come are planned once, and again when other settings of the base model lead. Only the period in which
    the walk stands is planned anew each time.
    """

    def __init__(self) -> None:
        self._planned_for: tuple[Any, ...] | None = None
        self._of_period: dict[int, int] = {}
        self._next = 0  # the first of these periods
        self._total = 0

    def count(self, updater: Updater) -> int:
        place, last = updater.place, updater.last_period
        racing = len(updater.race.order(last + 1))
        if (planned_for := (racing, updater.batch_size, updater.passes, last)) != self._planned_for:
            self._planned_for = planned_for
            self._of_period = {period: _mini_batches(updater, period) for period in range(place.period + 1, last + 1)}
            self._total = sum(self._of_period.values())
            self._next = place.period + 1
        for period in range(self._next, min(place.period, last) + 1):
            self._total -= self._of_period.pop(period)
        self._next = max(self._next, place.period + 1)
        return self._total + (_mini_batches(updater, place.period, place.phase) if place.period <= last else 0)


def _mini_batches(updater: Updater, period: int, phase: int = 0) -> int:
    """The mini-batches of a period's phases, from one of them on."""
    return sum(updater.data.mini_batches(each.reading) for each in updater.plan(period)[phase:])
