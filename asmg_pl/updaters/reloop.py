"""ReLoop: the incremental update, in which no row should be predicted worse than by the last period's model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.updaters.checks import check_share
from asmg_pl.updaters.losses import cross_entropy, row_mean, signs
from asmg_pl.updaters.taught import Taught


class ReLoop(Taught):
    """Trains Θ_t on (1-β) · CE(label) + β · mean of max(0, |y - ŷ_t| - |y - ŷ_{t-1}|).

    The second term, the self-correction loss, is above 0 where Θ_t errs more than Θ_{t-1} does. Source: Cai et al.,
    "ReLoop: A Self-Correction Continual Learning Loop for Recommender Systems", SIGIR 2022.

    Examples:
        >>> method = ReLoop(Sizes(users=9, items=9), correction=0.2)
        >>> [phase.name for phase in method.phases(14)]
        ['score', 'update']
    """

    needs_labels = "it compares each row's error with the one before"

    def __init__(self, sizes: Sizes, correction: float = 0.2, **base: Any) -> None:
        """Build the base model and the model before it.

        Args:
            sizes: numbers of users, items and categories; the command line takes them from the data.
            correction: β, the share of the self-correction loss, from 0 (plain incremental update) to 1.
            base: arguments of :class:`~asmg_pl.updaters.base.Updater`.
        """
        super().__init__(sizes, **base)
        check_share(correction=correction)
        self.correction = correction

    def loss(self, batch: Batch) -> Tensor:
        """The mixed loss."""
        logits = self.recommender(batch)
        with torch.no_grad():
            before = self.teacher(batch)
        hard = cross_entropy(logits, batch.label, batch)
        worse = (errors(logits, batch.label) - errors(before, batch.label)).relu()
        return (1 - self.correction) * hard + self.correction * row_mean(worse, batch)


def errors(logits: Tensor, labels: Tensor) -> Tensor:
    """The distance of each row's probability from its label, |y - ŷ|, float [B]."""
    return (-signs(labels) * logits.float()).sigmoid()
