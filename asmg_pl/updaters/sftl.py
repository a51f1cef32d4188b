"""SFTL: the incremental update, which should order rows better than a slow and a fast average of its own past.

Θ_t    trained on CE(label) + β · the mean rank loss against both
slow   Θ_{t-1}, which takes the weights of Θ once a period
fast   decay · fast + (1 - decay) · Θ, which follows Θ in each step
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.checks import check_share
from asmg_pl.updaters.losses import cross_entropy, row_mean, signs
from asmg_pl.updaters.optim.averaging import follow
from asmg_pl.updaters.walking.phase import Phase


class SFTL(Updater):
    """Trains Θ_t on CE(label) + β/2 · Σ over both teachers of the mean of softplus(-(2y - 1)(z - z_teacher)).

    z are logits. The rank loss falls as a positive row rises above the teacher's logit, and a negative row sinks below
    it. Source: Zhu et al., "Generalize for Future: Slow and Fast Trajectory Learning for CTR Prediction", AAAI 2024,
    which names the three learners, how each is updated, and a rank-based trajectory loss between them. The form of the
    rank loss here is ours. A step costs O(table rows), as a step of dense Adam does, since the fast model is an average
    of all parameters.

    Attributes:
        slow: Θ_{t-1}.
        fast: the exponential moving average of Θ over steps.

    Examples:
        >>> method = SFTL(Sizes(users=9, items=9), ranking=0.1, decay=0.99)
        >>> [phase.name for phase in method.phases(14)]
        ['score', 'update']
    """

    reads_whole_tables = True

    needs_labels = "it compares each row's logit with those of its teachers"

    def __init__(self, sizes: Sizes, ranking: float = 0.03, decay: float = 0.99, **base: Any) -> None:
        """Build the base model and both teachers.

        Args:
            sizes: numbers of users, items and categories; the command line takes them from the data.
            ranking: β, how much the rank loss weighs against the cross-entropy; 0 is plain incremental update.
            decay: what remains of the fast model after a step, from 0 to 1.
            base: arguments of :class:`~asmg_pl.updaters.base.Updater`.
        """
        super().__init__(sizes, **base)
        if not ranking >= 0:
            raise ConfigError(f"model.ranking must not be negative, got {ranking}")
        check_share(decay=decay)
        self.ranking = ranking
        self.decay = decay
        self.slow = copy.deepcopy(self.recommender).requires_grad_(False)
        self.fast = copy.deepcopy(self.slow)

    def phases(self, period: int) -> list[Phase]:
        """Score, let the slow model catch up, update."""
        return [self.scoring(period, end=self.take_slow), *self.updating(period)]

    def pretrained(self) -> None:
        """Both teachers begin as Θ_0."""
        for model in (self.slow, self.fast):
            model.load_state_dict(self.recommender.state_dict())

    def take_slow(self) -> None:
        """Θ_{t-1} becomes the slow model."""
        self.slow.load_state_dict(self.recommender.state_dict())

    def update(self, batch: Batch) -> None:
        """Take one step of the base model; the fast model follows."""
        super().update(batch)
        if self.stepping.completes_step:
            follow(self.fast.parameters(), self.recommender.parameters(), self.decay)

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy and rank loss."""
        logits = self.recommender(batch)
        with torch.no_grad():
            taught = [teacher(batch) for teacher in (self.slow, self.fast)]
        ranks = torch.stack([row_mean(rank_losses(logits, other, batch.label), batch) for other in taught])
        return cross_entropy(logits, batch.label, batch) + self.ranking * ranks.mean()


def rank_losses(logits: Tensor, others: Tensor, labels: Tensor) -> Tensor:
    """Each row's softplus(-(2y - 1)(z - z_other)), float [B]; log 2 where both logits are equal."""
    return F.softplus(-signs(labels) * (logits - others).float())
