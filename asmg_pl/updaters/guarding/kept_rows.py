"""The scored rows that a head keeps of a period, and what several periods say together of each feature.

period 14   features, labels, weight ─▶ total, mean, spread, bounds ─┐
period 15   features, labels, weight ─▶ total, mean, spread, bounds ─┴─▶ mean and scale of all, older ones count less
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from asmg_pl.updaters.guarding.logistic import Rows


class Moments(NamedTuple):
    """What rows say of each of their features.

    Attributes:
        total: the sum of the rows' weights, float64 [].
        mean: the weighted mean, float64 [F].
        spread: the weighted sum of squared distances from it, float64 [F].
    """

    total: Tensor
    mean: Tensor
    spread: Tensor

    @classmethod
    def of(cls, rows: Rows) -> Moments:
        """Those of some rows, one at least."""
        total = rows.weight.sum()
        mean = rows.weight @ rows.features / total
        return cls(total, mean, rows.weight @ (rows.features - mean).square_())

    @classmethod
    def together(cls, periods: Sequence[Moments], counts: Tensor) -> Moments:
        """Those of several periods' rows.

        Args:
            periods: of each.
            counts: what a period's rows count, float64 [periods].
        """
        totals = counts * torch.stack([each.total for each in periods])
        means = torch.stack([each.mean for each in periods])
        mean = totals @ means / totals.sum()
        within = counts @ torch.stack([each.spread for each in periods])
        return cls(totals.sum(), mean, within + totals @ (means - mean).square())

    @property
    def deviation(self) -> Tensor:
        """The standard deviation, float64 [F]."""
        return (self.spread / self.total).sqrt()


class KeptRows:
    """Rows of a period.

    Attributes:
        features: float [N, F].
        label: 1 for a click and 0 otherwise [N].
        weight: of all rows, or of each, float64 [N].
        rows: all of this in float64, as a regression reads it.
        moments: of the features.
        bounds: the least and the largest value of each feature, float [2, F].
    """

    def __init__(self, features: Tensor, label: Tensor, weight: float | Tensor) -> None:
        """Keep rows, one at least."""
        self.features, self.label, self.weight = features, label, weight
        self.rows = Rows(features.double(), label.double(), torch.zeros_like(label, dtype=torch.float64) + weight)
        self.moments = Moments.of(self.rows)
        self.bounds = torch.stack(features.aminmax(dim=0))

    def counting(self, share: float) -> Rows:
        """The rows, each with a share of its weight."""
        return self.rows._replace(weight=self.rows.weight * share)

    @property
    def state(self) -> tuple[Tensor, Tensor, float | Tensor]:
        """What a checkpoint has of them."""
        return self.features, self.label, self.weight

    @classmethod
    def from_state(cls, features: Tensor, label: Tensor, weight: float | Tensor) -> KeptRows:
        """Take them back.

        Raises:
            ValueError: if there are none.
            RuntimeError: if there is not one weight, or one for each row.
        """
        if not len(label):
            raise ValueError("it keeps a period without rows")
        each = weight.double().view(len(label)) if isinstance(weight, Tensor) else float(weight)
        return cls(features.float(), label, each)
