"""A module on its walk: where it stands, and how it goes through a phase."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import torch
from lightning import LightningModule
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.datamodule import PeriodDataModule
from asmg_pl.data.mini_batches.loader import steps_in
from asmg_pl.data.place import Place
from asmg_pl.errors import ConfigError
from asmg_pl.randomness.keyed import seed_of
from asmg_pl.updaters.walking.listeners import somebody_listens
from asmg_pl.updaters.walking.phase import Phase
from asmg_pl.updaters.walking.stepping import Stepping


class Walker(LightningModule):
    """A LightningModule that a period loop leads along a stream, phase by phase.

    A subclass says which phases a period has, and sets ``stepping``.

    Attributes:
        phase: the phase that is running or has just ended; the period loop sets it.
        stepping: takes the optimisers' steps.
    """

    stepping: Stepping

    def __init__(self) -> None:
        """Stand nowhere yet."""
        super().__init__()
        self.automatic_optimization = False
        self.phase: Phase | None = None
        self._place: Place | None = None
        self._evaluated = 0
        self._arrived = 0  # micro-batches of the phase
        self._hooks = True  # whether Lightning's hooks around a step have an effect

    @abstractmethod
    def plan(self, period: int) -> list[Phase]:
        """The phases of a period, in order."""

    @abstractmethod
    def score(self, period: int, batch: Batch) -> None:
        """Score a mini-batch of a period."""

    @abstractmethod
    def welcome_period(self, period: int) -> None:
        """Prepare the rows of tables that appear with a period to be scored."""

    @abstractmethod
    def stand_at(self, period: int) -> None:
        """Let nothing depend on rows of tables that appear after a period."""

    @property
    def data(self) -> PeriodDataModule:
        """The stream that the module walks along.

        Raises:
            ConfigError: if the trainer has another kind of data, or none.
        """
        data = getattr(self.trainer, "datamodule", None)
        if not isinstance(data, PeriodDataModule):
            raise ConfigError(
                f"{type(self).__name__} walks along periods: give the trainer an asmg_pl.data.PeriodDataModule, as in "
                "trainer.fit(updater, datamodule=data)"
            )
        return data

    @property
    def place(self) -> Place:
        """Where the walk stands. The period loop owns the place, and alone moves it.

        Raises:
            ConfigError: if there is no period loop.
        """
        if self._place is None:
            raise self._no_loop()
        return self._place

    def follow(self, place: Place) -> None:
        """Follow a period loop from now on. A module that has been on a walk goes on from where it is.

        Args:
            place: the loop's, which is moved there.
        """
        if self._place is not None:
            place.load_state_dict(self._place.state_dict())
        self._place = place

    def _no_loop(self) -> ConfigError:
        return ConfigError(
            f"the trainer has no PeriodLoop, without which {type(self).__name__} reads nothing: call "
            "asmg_pl.walk(updater, data), or give Trainer(callbacks=[asmg_pl.callbacks.PeriodLoop()])"
        )

    @property
    def last_period(self) -> int:
        """The last period of the walk: the stream's newest complete one, or an earlier one at which the loop ends."""
        newest = self.data.last_period
        return newest if self.place.until is None else min(newest, self.place.until)

    def step_optimizer(self, optimizer: int, loss: Tensor) -> None:
        """Take one step of an optimiser, numbered in the order of ``configure_optimizers``.

        If a mini-batch comes in micro-batches, the step is taken with the last one. Gradients are averaged over
        micro-batches and processes.
        """
        if self._hooks:
            optimizers = self.optimizers()
            chosen = optimizers[optimizer] if isinstance(optimizers, list) else optimizers
            self.stepping.step(chosen, loss, self.manual_backward, self.trainer.model)
            return
        self.stepping.step(self.trainer.optimizers[optimizer], loss, Tensor.backward)
        if self.stepping.completes_step:  # as Lightning counts steps
            progress = self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
            progress.increment_ready()
            progress.increment_completed()

    def full_precision(self) -> torch.autocast:
        """A context in which ``trainer.precision`` does not count: scores and generated parameters are float32."""
        return torch.autocast(self.device.type, enabled=False)

    # ---- Lightning's hooks

    def setup(self, stage: str) -> None:
        """Check that one of the trainer's callbacks leads the module; callbacks are set up before it.

        Raises:
            ConfigError: if none does, as no mini-batch would ever come.
        """
        callbacks = self.trainer.callbacks  # type: ignore[attr-defined]
        if self._place is None or all(getattr(found, "place", None) is not self._place for found in callbacks):
            raise self._no_loop()

    def train(self, mode: bool = True) -> Self:
        """Put what is trained into training mode; what only teaches, serves or remembers stays in evaluation mode."""
        super().train(mode)
        for child in self.children():
            if not any(parameter.requires_grad for parameter in child.parameters()):
                child.eval()
        return self

    def on_train_epoch_start(self) -> None:
        """Begin the phase; what is random in it depends on its key and the process alone, so it can begin again."""
        assert self.phase is not None
        torch.manual_seed(seed_of(self.data.seed, "phase", *self.phase.reading.key, self.trainer.global_rank))
        self._arrived = 0
        self._hooks = somebody_listens(self.trainer, self)
        self.phase.begin()

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Hand the mini-batch, or each one of a bundle, to the running phase; or a micro-batch of it."""
        assert self.phase is not None
        micro_batches = self.data.accumulate if self.phase.trains else 1
        with torch.set_grad_enabled(self.phase.trains):
            for step in steps_in(batch):
                self.stepping.arrive(self._arrived, micro_batches)
                self._arrived += 1
                self.phase.on_batch(step)

    def on_validation_start(self) -> None:
        """Stand where training has ended."""
        self._evaluated = self.place.trained_until

    def validation_step(self, batch: tuple[int, Batch], batch_idx: int) -> None:
        """Score a mini-batch of one of the evaluated periods, given with the period's number."""
        period, rows = batch
        for following in range(self._evaluated + 1, period + 1):
            self.welcome_period(following)
            self._evaluated = following
        self.stand_at(period)
        self.score(period, rows)

    on_test_start = on_validation_start
    test_step = validation_step
