"""EWC: the incremental update, held back where earlier periods depend on a parameter."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.mini_batches.reading import Reading
from asmg_pl.data.sizes import Sizes
from asmg_pl.distributed.processes import averaged
from asmg_pl.errors import ConfigError
from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.rows.initial import Draw
from asmg_pl.updaters.walking.phase import Phase


class EWC(Updater):
    """Trains Θ_t on the new rows' loss + strength/2 · Σ F (θ - θ_{t-1})², F being each parameter's importance so far.

    After a period, F ← decay · F + F_t, where F_t is the diagonal of the empirical Fisher information on D_t, estimated
    from the gradients of mini-batches: the mean of B · g². Source: Kirkpatrick et al. (2017); the running importance is
    from Schwarz et al., "Progress & Compress" (2018). A step costs O(table rows), as a step of dense Adam does.

    Attributes:
        anchor: Θ_{t-1}.
        importance: F, in the shape of the recommender.

    Examples:
        >>> method = EWC(Sizes(users=9, items=9), pretrain_periods=10)
        >>> [phase.name for phase in method.phases(11)]
        ['score', 'weigh-pretraining', 'update', 'weigh']
    """

    reads_whole_tables = True
    needs_whole_tables = "its penalty adds up all rows in one loss"

    def __init__(self, sizes: Sizes, strength: float = 10.0, decay: float = 0.9, **base: Any) -> None:
        """Build the base model, its anchor and its importances.

        Args:
            sizes: numbers of users, items and categories; the command line takes them from the data.
            strength: how much the penalty weighs against the loss; 0 is plain incremental update.
            decay: what remains of the earlier importance after a period, from 0 to 1.
            base: arguments of :class:`~asmg_pl.updaters.base.Updater`.
        """
        super().__init__(sizes, **base)
        if strength < 0:
            raise ConfigError(f"model.strength must not be negative, got {strength}")
        if not 0 <= decay <= 1:
            raise ConfigError(f"model.decay must be from 0 to 1, got {decay}")
        self.strength = strength
        self.decay = decay
        self.anchor = copy.deepcopy(self.recommender).requires_grad_(False)
        self.importance = copy.deepcopy(self.anchor)
        self._clear_importance()
        self._squares: list[Tensor] = []
        self._gradients: list[Tensor] = []
        self._batches = 0

    def phases(self, period: int) -> list[Phase]:
        """Score, update, weigh; the pre-training periods are weighed before the first update."""
        weighing = []
        if period == self.pretrain_periods + 1 and self.pretrain_periods:
            weighing.append(self._weighing(period, range(1, period)))
        after = self._weighing(period, range(period, period + 1))
        return [self.scoring(period), *weighing, *self.updating(period), after]

    def _weighing(self, period: int, periods: range) -> Phase:
        name = "weigh" if period in periods else "weigh-pretraining"
        return Phase(Reading(name, period, tuple(periods)), self.weigh, end=self.take_importance)

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy and penalty."""
        return self.cross_entropy(batch) + self.strength / 2 * self.penalty()

    def penalty(self) -> Tensor:
        """Σ F (θ - θ_{t-1})²."""
        models = self.recommender, self.anchor, self.importance
        triples = zip(*(model.parameters() for model in models), strict=True)
        return torch.stack([(f * (now - before).square()).sum() for now, before, f in triples]).sum()

    def weigh(self, batch: Batch) -> None:
        """Add a mini-batch's B · g²; no parameter moves."""
        parameters = list(self.recommender.parameters())
        found = torch.autograd.grad(self.cross_entropy(batch), parameters)
        if not self._gradients:
            self._gradients = [torch.zeros_like(p) for p in parameters]  # as the penalty, over all rows
        for gradient, of_micro_batch in zip(self._gradients, found, strict=True):
            gradient.add_(of_micro_batch, alpha=1 / self.stepping.micro_batches)
        if not self.stepping.completes_step:
            return
        if not self._squares:
            self._squares = [torch.zeros_like(p) for p in parameters]
        for square, gradient in zip(self._squares, averaged(self._gradients), strict=True):
            square.addcmul_(gradient, gradient, value=batch.total)
        self._gradients = []
        self._batches += 1

    @torch.no_grad()
    def take_importance(self) -> None:
        """F ← decay · F + F_t, and Θ_t becomes the anchor."""
        for importance in self.importance.parameters():
            importance.mul_(self.decay)
        for importance, square in zip(self.importance.parameters(), self._squares, strict=bool(self._squares)):
            importance.add_(square, alpha=1 / self._batches)  # of an empty period there are none
        self._squares, self._batches = [], 0
        self.anchor.load_state_dict(self.recommender.state_dict())

    @torch.no_grad()
    def admit(self, rows: Mapping[str, Tensor]) -> None:
        """Nothing is important of rows that begin."""
        for name, begun in rows.items():
            self.importance.table(name)[begun] = 0.0

    def redraw(self, draw: Draw) -> None:
        """Draw anew; nothing is important then."""
        super().redraw(draw)
        self._clear_importance()

    @torch.no_grad()
    def _clear_importance(self) -> None:
        for parameter in self.importance.parameters():
            parameter.zero_()
