"""A progress bar over the whole walk that names the period and the phase."""

from __future__ import annotations

from typing import Any, cast

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from tqdm import tqdm

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
            total=_ahead(updater),
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
            self._bar.total = self._bar.n + _ahead(updater)
            where = f"period {phase.period}/{updater.last_period}"
            self._bar.set_description(f"{where} · {phase.name}{pass_}", refresh=False)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move on by one, or by a bundle."""
        if self._bar is not None:
            self._bar.update(len(batch) if isinstance(batch, list) else 1)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Take the bar away."""
        self.on_train_end(trainer, pl_module)


def _ahead(updater: Updater) -> int:
    """The mini-batches from the walk's place to its end."""
    place, ahead = updater.place, 0
    for period in range(place.period, updater.last_period + 1):
        for phase in updater.plan(period)[place.phase if period == place.period else 0 :]:
            ahead += updater.data.mini_batches(phase.reading)
    return ahead
