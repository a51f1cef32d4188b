"""Dense EMA: the plain update's tables serve with an average of its dense parameters.

step            1    2    3   …
Θ               ●────●────●───       the plain incremental update
average          ╲────╲────╲──       of the dense parameters:  ψ̄ ← decay · ψ̄ + (1 - decay) · ψ
end of D_t                           serving = Θ_t's tables beside ψ̄
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.recommenders import Recommender
from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.checks import check_share
from asmg_pl.updaters.optim.averaging import follow
from asmg_pl.updaters.walking.phase import Phase


class DenseEMA(Updater):
    """Serves the tables of the plain incremental update with an exponential moving average of its dense parameters.

    Every mini-batch moves the dense parameters, so that they carry the noise of the last ones. An average over steps
    has less of it. A table row is moved by few mini-batches, and an average of rows would lag behind. Source of the
    average: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992.

    Attributes:
        serving: the model that serves.

    Examples:
        >>> method = DenseEMA(Sizes(users=9, items=9), decay=0.99)
        >>> list(method.scored_models())
        ['incremental', 'serving']
    """

    def __init__(self, sizes: Sizes, decay: float = 0.9, **base: Any) -> None:
        """Build the base model and the model that serves.

        Args:
            sizes: numbers of users, items and categories; the command line takes them from the data.
            decay: what remains of the average after a step, from 0 (the plain incremental update serves) to 1.
            base: arguments of :class:`~asmg_pl.updaters.base.Updater`.
        """
        super().__init__(sizes, **base)
        check_share(decay=decay)
        self.decay = decay
        self.serving = copy.deepcopy(self.recommender).requires_grad_(False)

    def phases(self, period: int) -> list[Phase]:
        """Score, then update; the new tables serve afterwards."""
        return [self.scoring(period), *self.updating(period, end=self.take_tables)]

    def scored_models(self) -> Mapping[str, Recommender]:
        """The plain incremental update, beside the model with averaged dense parameters."""
        return {"incremental": self.recommender, "serving": self.serving}

    def pretrained(self) -> None:
        """Θ_0 serves first."""
        self.serving.load_state_dict(self.recommender.state_dict())

    def update(self, batch: Batch) -> None:
        """Take one step of the base model; the average follows."""
        super().update(batch)
        if self.stepping.completes_step:
            averages, numbers = (model.dense_parameters().values() for model in (self.serving, self.recommender))
            follow(averages, numbers, self.decay)

    @torch.no_grad()
    def take_tables(self) -> None:
        """Let the tables of Θ_t serve."""
        for name, table in self.recommender.table_parameters().items():
            self.serving.table(name).copy_(table)
