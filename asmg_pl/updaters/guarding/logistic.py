"""Ridge logistic regression by damped Newton steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

#: Newton steps at most; a handful is enough where the last fit is the start.
STEPS = 20

#: The share of the sum that a step must lower it by to be worth another look.
ENOUGH = 1e-7


class Rows(NamedTuple):
    """Some of the rows of a regression.

    Attributes:
        features: float64 [N, F].
        label: 0 or 1, float64 [N].
        weight: of each row, float64 [N].
    """

    features: Tensor
    label: Tensor
    weight: Tensor

    def loss(self, logits: Tensor) -> Tensor:
        """Σ w · (-log p(label | logit)), float64 []."""
        return F.binary_cross_entropy_with_logits(logits, self.label, self.weight, reduction="sum")

    def derivatives(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """The first and the second derivative of the loss after the coefficients, float64 [F] and [F, F]."""
        p = logits.sigmoid()
        weighted = self.features * (self.weight * p * (1 - p))[:, None]
        return self.features.T @ (self.weight * (p - self.label)), weighted.T @ self.features


def ridge_logistic(
    parts: Sequence[Rows], centre: Tensor, ridge: float, start: Tensor | None = None, basis: Tensor | None = None
) -> Tensor:
    """The coefficients b of least Σ w · (-log p(label | x · b)) + ridge / 2 · ‖b - centre‖², float64 [F].

    A step that does not lower the sum is halved. The steps end with the one that would lower it by less than
    :data:`ENOUGH` of it.

    Args:
        parts: the rows. They are read part by part, so that a part stays in the processor's cache.
        centre: what the coefficients are drawn to, float64 [F].
        ridge: how strongly, above 0, in rows.
        start: where the steps begin, float64 [F]; by default at ``centre``.
        basis: float64 [F, F], if x is not a row's features but features @ basis. Scaled features need no copy then.

    Examples:
        >>> rows = Rows(torch.ones(100, 1).double(), (torch.arange(100) < 25).double(), torch.ones(100).double())
        >>> ridge_logistic([rows], torch.zeros(1).double(), ridge=1e-9).sigmoid()
        tensor([0.2500], dtype=torch.float64)
    """
    identity = torch.eye(len(centre), dtype=torch.float64, device=centre.device)
    basis = identity if basis is None else basis

    def look(coefficients: Tensor) -> tuple[list[Tensor], Tensor]:
        own = basis @ coefficients
        logits = [rows.features @ own for rows in parts]
        losses = torch.stack([rows.loss(each) for rows, each in zip(parts, logits, strict=True)])
        return logits, losses.sum() + ridge / 2 * (coefficients - centre).square().sum()

    found = centre if start is None else start
    logits, least = look(found)
    for _ in range(STEPS):
        derivatives = [rows.derivatives(each) for rows, each in zip(parts, logits, strict=True)]
        first, second = (torch.stack(each).sum(dim=0) for each in zip(*derivatives, strict=True))
        gradient = basis.T @ first + ridge * (found - centre)
        step = torch.linalg.solve(basis.T @ second @ basis + ridge * identity, gradient)
        if gradient @ step / 2 <= ENOUGH * least:  # what the step lowers the sum by, which is a parabola here
            return found - step
        for halvings in range(STEPS):
            tried = found - step / 2**halvings
            logits, lower = look(tried)
            if lower <= least:
                break
        else:
            return found
        found, least = tried, lower
    return found
