"""A model that is trained anew on everything each period: what can be had if nothing is spared."""

from __future__ import annotations

import copy
from typing import Any

from asmg_pl.data.sizes import Sizes
from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.optim.adam import Adam
from asmg_pl.updaters.walking.phase import Phase


class Retrain(Updater):
    """Trains from the initial weights on all rows so far, each period; ``passes`` is the number of epochs.

    Attributes:
        initial: the weights that every training starts from.

    Examples:
        >>> method = Retrain(Sizes(users=9, items=9), passes=3)
        >>> [phase.name for phase in method.phases(14)]
        ['score', 'update', 'update', 'update']
    """

    def __init__(self, sizes: Sizes, **base: Any) -> None:
        """Build the base model.

        Args:
            sizes: numbers of users, items and categories; the command line takes them from the data.
            base: arguments of :class:`~asmg_pl.updaters.base.Updater`.
        """
        super().__init__(sizes, **base)
        self.initial = copy.deepcopy(self.recommender).requires_grad_(False)

    def phases(self, period: int) -> list[Phase]:
        """Score, forget everything, train on all periods."""
        return [self.scoring(period, end=self.forget), *self.updating(period, periods=range(1, period + 1))]

    def forget(self) -> None:
        """Go back to the initial weights and an optimiser without memory."""
        self.recommender.load_state_dict(self.initial.state_dict())
        optimizer = self.trainer.optimizers[0]
        assert isinstance(optimizer, Adam)
        optimizer.forget()
