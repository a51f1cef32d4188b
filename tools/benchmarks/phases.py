"""Phases of a walk, timed in Lightning's loop, and the same steps in a bare loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast
from unittest.mock import patch

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from asmg_pl.updaters import Updater
from asmg_pl.updaters.walking.phase import Phase


class AfterPhases(Callback, ABC):
    """Times each phase that trains, and has something done after it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Choose a clock.

        Args:
            clock: gives the time in seconds.
        """
        self.clock = clock
        self._began = 0.0

    @abstractmethod
    def after(self, updater: Updater, phase: Phase, seconds: float) -> None:
        """Go on from a phase that trains and has taken so many seconds."""

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._began = self.clock()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock."""
        seconds = self.clock() - self._began
        updater = cast(Updater, pl_module)
        if updater.phase is not None and updater.phase.trains:
            self.after(updater, updater.phase, seconds)


@contextmanager
def bare(updater: Updater) -> Iterator[None]:
    """Let an updater's steps have no part of Lightning, and its mini-batches come one by one."""
    steps = Bare(updater.trainer.optimizers)
    with patch.object(updater, "step_optimizer", steps.step), patch.object(updater.data, "bundles", False):
        yield


class Bare:
    """Steps of optimisers that Lightning has no part in."""

    def __init__(self, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        """Take the optimisers."""
        self.optimizers = optimizers

    def step(self, number: int, loss: Tensor) -> None:
        """One step of one of them."""
        optimizer = self.optimizers[number]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
