"""IncCTR: the incremental update, held back by what the previous model says of the new rows."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.updaters.checks import check_share
from asmg_pl.updaters.losses import cross_entropy, soft_cross_entropy
from asmg_pl.updaters.taught import Taught


class IncCTR(Taught):
    """Trains Θ_t on (1-λ)·CE(label) + λ·CE(soft label), with soft labels from Θ_{t-1}.

    Source: Wang et al., "A Practical Incremental Method to Train Deep CTR Models" (2020), as run by Peng et al. (2021).

    Examples:
        >>> method = IncCTR(Sizes(users=9, items=9), distillation=0.2)
        >>> [phase.name for phase in method.phases(14)]
        ['score', 'update']
        >>> any(parameter.requires_grad for parameter in method.teacher.parameters())
        False
    """

    needs_labels = "it distils each row's probability"

    def __init__(self, sizes: Sizes, distillation: float = 0.2, **base: Any) -> None:
        """Build the base model and its teacher.

        Args:
            sizes: numbers of users, items and categories; the command line takes them from the data.
            distillation: λ, from 0 (plain incremental update) to 1 (nothing new is learned).
            base: arguments of :class:`~asmg_pl.updaters.base.Updater`.
        """
        super().__init__(sizes, **base)
        check_share(distillation=distillation)
        self.distillation = distillation

    def loss(self, batch: Batch) -> Tensor:
        """The mixed loss."""
        logits = self.recommender(batch)
        hard = cross_entropy(logits, batch.label, batch)
        soft = soft_cross_entropy(logits, self.teacher, batch)
        return (1 - self.distillation) * hard + self.distillation * soft
