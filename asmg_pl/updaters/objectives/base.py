"""What an objective is, and the one of a single label."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.datamodule import PeriodDataModule
from asmg_pl.data.mini_batches.reading import Reading
from asmg_pl.recommenders import Recommender
from asmg_pl.updaters.losses import cross_entropy


@dataclass(frozen=True)
class Step:
    """The step for which candidates are chosen. All that is random in their choice depends on it alone.

    Attributes:
        data: the stream.
        reading: the pass.
        periods: the periods that the mini-batch's rows are from, of those that the pass reads.
        number: the number of the mini-batch in the pass, from 0.
    """

    data: PeriodDataModule
    reading: Reading
    periods: tuple[int, ...]
    number: int

    @property
    def period(self) -> int:
        """The newest of the periods; no item that appears after it may be a candidate."""
        return max(self.periods, default=self.reading.period)

    @property
    def known(self) -> int:
        """The number of items that have appeared by the end of the newest period; they have the lowest ids."""
        return self.data.ids_by(self.period).items

    @property
    def key(self) -> tuple[int | str, ...]:
        """What tells the step from all others of a walk."""
        return self.data.seed, "candidates", *self.reading.key, self.period, self.number


class Objective(ABC):
    """The loss of a mini-batch. It is the same for the base model, and for what a generator makes of it.

    Attributes:
        asks: whether it reads more logits than one for each row.
    """

    asks = False

    def check(self, recommender: Recommender, accumulate: int = 1) -> None:  # noqa: B027
        """Refuse what the objective does not work with; nothing, unless a subclass says otherwise.

        Args:
            recommender: the base model.
            accumulate: the number of micro-batches of a mini-batch.

        Raises:
            ConfigError: with what to choose instead.
        """

    def asked(self, batch: Batch, step: Step) -> Batch:
        """The mini-batch, which asks for the logits that the objective reads; as it is, if it reads one for each row.

        Args:
            batch: the mini-batch.
            step: the step that it is for.
        """
        return batch

    @abstractmethod
    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """The mean over the rows of the whole mini-batch, as in :mod:`asmg_pl.updaters.losses`.

        Args:
            logits: what a recommender gives the mini-batch.
            batch: the mini-batch.
        """


class BinaryCrossEntropy(Objective):
    """The cross-entropy of each row's label with its logit."""

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """The mean cross-entropy of logits [B]."""
        return cross_entropy(logits, batch.label, batch)
