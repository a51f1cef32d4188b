"""SRIU: the incremental update, in which a row counts by how well the last model orders it among its user's rows.

D_t arrives ─▶ score
            ─▶ weigh    Θ_{t-1} on D_t: for each user, mean and spread of the logits of either label
            ─▶ update   each row's cross-entropy times its weight
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.mini_batches.reading import Reading
from asmg_pl.data.sizes import Sizes
from asmg_pl.distributed.processes import gathered
from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.checks import check_share
from asmg_pl.updaters.losses import row_mean, signs
from asmg_pl.updaters.walking.phase import Phase

Statistics = dict[str, Tensor]


class SRIU(Updater):
    """Trains Θ_t on w · CE(label), where w = exp(s) / (the mean of exp(s) over the user's rows of D_t).

    The score of a row is s = shrinkage · (2y - 1)(z - μ)/σ. z is its logit under Θ_{t-1}; μ and σ are the mean and the
    standard deviation of the logits of the user's rows in D_t with the same label. So the weights of a user's rows have
    mean 1, and those that Θ_{t-1} is surest of count most. A user with one row of a label has σ = 1 there. Source:
    Peng et al., "Recommender System Incremental Update via Sample Reweighting", as its authors' program computes it.

    Where negatives are drawn anew in each pass, the statistics are of the draw that is scored. A negative of another
    draw is at most as many σ away from μ as one of so many rows can be.

    Attributes:
        before: Θ_{t-1}.
        statistics: of the users of D_t while the update lasts: ``users``, int64 [n] ascending, ``mean`` and ``spread``
            of their logits by label, and the ``bound`` of the distance from the mean in spreads, float [n, 2], and
            ``normalizer``, the mean of exp(s), float [n].

    Examples:
        >>> method = SRIU(Sizes(users=9, items=9), shrinkage=0.5)
        >>> [phase.name for phase in method.phases(14)]
        ['score', 'weigh', 'update']
    """

    needs_labels = "it weighs each row by its label and logit"

    def __init__(self, sizes: Sizes, shrinkage: float = 0.5, **base: Any) -> None:
        """Build the base model and the model before it.

        Args:
            sizes: numbers of users, items and categories; the command line takes them from the data.
            shrinkage: by how much scores are shrunk, from 0 (plain incremental update) to 1.
            base: arguments of :class:`~asmg_pl.updaters.base.Updater`.
        """
        super().__init__(sizes, **base)
        check_share(shrinkage=shrinkage)
        self.shrinkage = shrinkage
        self.before = copy.deepcopy(self.recommender).requires_grad_(False)
        self.statistics: Statistics = {}
        self._seen: list[Tensor] = []

    def phases(self, period: int) -> list[Phase]:
        """Score, weigh, update."""
        rows = Reading("weigh", period, (period,), training=False)
        weighing = Phase(rows, self.weigh, end=self.take_statistics)
        return [self.scoring(period, end=self.take_before), weighing, *self.updating(period, end=self.forget)]

    def take_before(self) -> None:
        """Θ_{t-1} weighs the rows of D_t."""
        self.before.load_state_dict(self.recommender.state_dict())

    def weigh(self, batch: Batch) -> None:
        """Note users, labels and logits of some rows."""
        columns = batch.user.double(), batch.label.double(), self.before(batch).double()
        self._seen.append(gathered(torch.stack(columns, dim=1)).cpu())

    def take_statistics(self) -> None:
        """Compute what the weights depend on, from all rows of D_t."""
        if self._seen:
            user, label, logits = torch.cat(self._seen).unbind(1)
            self.statistics = statistics_of(user.long(), label.long(), logits, self.shrinkage)
        self._seen = []

    def forget(self) -> None:
        """Drop the statistics."""
        self.statistics = {}

    def loss(self, batch: Batch) -> Tensor:
        """The weighted cross-entropy."""
        losses = F.binary_cross_entropy_with_logits(self.recommender(batch), batch.label, reduction="none")
        return row_mean(self.row_weights(batch) * losses, batch)

    @torch.no_grad()
    def row_weights(self, batch: Batch) -> Tensor:
        """The weight of each row, float [B]."""
        known = {name: values.to(batch.user.device) for name, values in self.statistics.items()}
        place = torch.searchsorted(known["users"], batch.user).clamp(max=len(known["users"]) - 1)
        scores = scores_of(place, batch.label.long(), self.before(batch).double(), known, self.shrinkage)
        return (scores.exp() / known["normalizer"][place]).float()

    # ---- Lightning's hooks

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the statistics."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["user_statistics"] = self.statistics

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take them back."""
        super().on_load_checkpoint(checkpoint)
        self.statistics = checkpoint["user_statistics"]


def statistics_of(user: Tensor, label: Tensor, logits: Tensor, shrinkage: float) -> Statistics:
    """The statistics of users, see :attr:`SRIU.statistics`.

    Args:
        user: user ids, int64 [n].
        label: labels, int64 [n].
        logits: of the model before, float64 [n].
        shrinkage: by how much scores are shrunk.
    """
    users, place = user.unique(return_inverse=True)
    group = 2 * place + label
    count = group.bincount(minlength=2 * len(users)).double()
    mean = torch.zeros_like(count).index_add_(0, group, logits) / count.clamp(min=1)
    squares = torch.zeros_like(count).index_add_(0, group, (logits - mean[group]).square())
    spread = (squares / (count - 1).clamp(min=1)).sqrt()
    spread[spread == 0] = 1
    bound = (count - 1).clamp(min=0) / count.clamp(min=1).sqrt()  # of |z - mean| / spread among so many numbers
    found = {"users": users} | {
        name: values.view(-1, 2) for name, values in (("mean", mean), ("spread", spread), ("bound", bound))
    }
    weights = scores_of(place, label, logits, found, shrinkage).exp()
    rows = place.bincount(minlength=len(users))
    return found | {"normalizer": torch.zeros(len(users), dtype=weights.dtype).index_add_(0, place, weights) / rows}


def scores_of(place: Tensor, label: Tensor, logits: Tensor, known: Mapping[str, Tensor], shrinkage: float) -> Tensor:
    """Each row's score s, float64 [B]; ``place`` is the place of its user among the statistics."""
    mean, spread, bound = (known[name][place, label] for name in ("mean", "spread", "bound"))
    return shrinkage * signs(label) * ((logits - mean) / spread).clamp(-bound, bound)
