"""Ridge logistic regression by damped Newton steps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

#: Newton steps at most; a handful is enough where the last fit is the start.
STEPS = 20


def ridge_logistic(
    features: Tensor, label: Tensor, weight: Tensor, centre: Tensor, ridge: float, start: Tensor | None = None
) -> Tensor:
    """The coefficients b of least Σ w · (-log p(label | features · b)) + ridge / 2 · ‖b - centre‖², float64 [F].

    A step that does not lower the sum is halved.

    Args:
        features: float [N, F].
        label: 0 or 1, of any type [N].
        weight: of each row, float [N].
        centre: what the coefficients are drawn to, float [F].
        ridge: how strongly, above 0, in rows.
        start: where the steps begin; by default at ``centre``.

    Examples:
        >>> ones, labels = torch.ones(100, 1), torch.arange(100) < 25
        >>> ridge_logistic(ones, labels, torch.ones(100), torch.zeros(1), ridge=1e-9).sigmoid()
        tensor([0.2500], dtype=torch.float64)
    """
    features, label, weight, centre = (t.double() for t in (features, label, weight, centre))

    def loss(coefficients: Tensor) -> Tensor:
        rows = F.binary_cross_entropy_with_logits(features @ coefficients, label, weight, reduction="sum")
        return rows + ridge / 2 * (coefficients - centre).square().sum()

    found = centre if start is None else start.double()
    least, weighted = loss(found), torch.empty_like(features)
    for _ in range(STEPS):
        p = (features @ found).sigmoid()
        gradient = features.T @ (weight * (p - label)) + ridge * (found - centre)
        torch.mul(features, (weight * p * (1 - p))[:, None], out=weighted)
        curvature = weighted.T @ features
        step = torch.linalg.solve(curvature + ridge * torch.eye(len(found), device=found.device), gradient)
        for halvings in range(STEPS):
            tried = found - step / 2**halvings
            lower = loss(tried)
            if lower <= least:
                break
        else:
            return found
        gained, found, least = least - lower, tried, lower
        if gained <= 1e-7 * least.abs():
            break
    return found
