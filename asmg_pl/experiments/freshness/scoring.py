"""Scores a kept model on any periods of its stream, without training on them.

    checkpoint of period 14 ──▶ a fresh copy of the updater ──▶ trainer.test ──▶ results of the periods 7 … 22

It is what ``asmg test`` does with ``--data.evaluate``. Histories are those that users have at the time of each row,
also where they are newer than the model. A user, item or category that has appeared since has the row that the model
itself would have started it from.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from asmg_pl.data import PeriodDataModule
from asmg_pl.errors import CheckpointError
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.system.quiet import quiet
from asmg_pl.updaters import Updater

#: Called with each period when its scoring begins.
Tell = Callable[[int], None]

#: Makes a trainer with further callbacks.
MakeTrainer = Callable[[list[Callback]], Trainer]


class Scorer(Protocol):
    """Scores kept models of one kind on periods of their stream."""

    def score(self, path: Path, periods: Sequence[int], tell: Tell, /) -> dict[int, PeriodResult]:
        """Score a model on periods that have rows; ``tell`` is called with each when its scoring begins."""


class CheckpointScorer:
    """Scores checkpoints of one walk.

    Attributes:
        data: the stream.
    """

    def __init__(self, updater: Updater, data: PeriodDataModule, trainer: MakeTrainer) -> None:
        """Take the walk's classes.

        Args:
            updater: as it was before the walk; it stays so.
            data: the stream.
            trainer: makes a trainer with further callbacks; the trainer has a period loop.
        """
        self.data = data
        self._updater, self._trainer = updater, trainer

    def score(self, checkpoint: Path, periods: Sequence[int], tell: Tell) -> dict[int, PeriodResult]:
        """Score what served after the checkpoint's period.

        Args:
            checkpoint: of a period's end.
            periods: all with rows, in any order.
            tell: called with each period when its scoring begins.

        Raises:
            UserError: if the checkpoint cannot be used.
        """
        updater = copy.deepcopy(self._updater, {id(self.data): self.data})  # all copies share the stream
        self.data.evaluate = sorted(periods)
        with quiet(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Be aware that when using `ckpt_path`, callbacks")  # they only report
            trainer = self._trainer([_Telling(tell)])
            trainer.test(updater, self.data, ckpt_path=str(checkpoint), weights_only=True, verbose=False)
        if missing := sorted({*periods} - {*updater.evaluation}):
            raise CheckpointError(f"{checkpoint} gave no scores of period {missing[0]}: score it with asmg test")
        return updater.evaluation


class _Telling(Callback):
    """Says which period is being scored."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._period = 0

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Tell a period once."""
        if batch[0] != self._period:
            self._period = batch[0]
            self._tell(self._period)
