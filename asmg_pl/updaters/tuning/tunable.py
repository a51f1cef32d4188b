"""A walker whose base model is trained with a setting that may change between phases."""

from __future__ import annotations

from abc import abstractmethod

from asmg_pl.metrics.results import PeriodResult
from asmg_pl.updaters.walking.phase import Phase
from asmg_pl.updaters.walking.walker import Walker


class Tunable(Walker):
    """What a race of settings needs of an updater.

    Attributes:
        learning_rate: of the base model's optimiser, the first one.
        batch_size: rows of a mini-batch that trains the base model; ``None`` for ``data.batch_size``.
        passes: how often each new period is gone over.
        pretrain_periods: how many periods pre-train the base model.
        test_from: the first period whose score counts as a test.
        results: what the walk has scored so far, by period.
    """

    learning_rate: float
    batch_size: int | None
    passes: int
    pretrain_periods: int
    test_from: int
    results: dict[int, PeriodResult]

    @abstractmethod
    def phases(self, period: int) -> list[Phase]:
        """The passes that follow the arrival of a period after pre-training, in order."""

    @abstractmethod
    def set_learning_rate(self, rate: float) -> None:
        """Set the rate of the base model's optimiser."""

    def settled_from(self) -> int:
        """The first period that is scored with all that will serve, from which on settings can be compared."""
        return self.pretrain_periods + 2
