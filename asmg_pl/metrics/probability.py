"""The quality of a model's probabilities, beyond the order of the rows."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def row_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """-log p(label) of each row, float64 [N]; it is exact even where p rounds to 0.

    Args:
        logits: float [N].
        labels: 0 or 1, of any type [N].

    Examples:
        >>> row_losses(torch.tensor([0.0, 100.0]), torch.tensor([1, 0]))
        tensor([  0.6931, 100.0000], dtype=torch.float64)
    """
    return F.binary_cross_entropy_with_logits(logits.double(), labels.double(), reduction="none")


def mean(numbers: Tensor, weights: Tensor | None = None) -> Tensor:
    """The mean of a number for each row, float64 scalar; ``nan`` without rows, and if all weights are 0.

    Args:
        numbers: float64 [N].
        weights: what each row counts, float [N]; by default 1.

    Examples:
        >>> mean(torch.tensor([1.0, 4.0]).double(), torch.tensor([2.0, 1.0]))
        tensor(2., dtype=torch.float64)
    """
    return numbers.mean() if weights is None else (numbers * weights).sum() / weights.double().sum()


def log_loss(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """LogLoss = mean of -log p(label), float64 scalar; ``nan`` without rows.

    Args:
        logits: float [N].
        labels: 0 or 1, of any type [N].
        weights: what each row counts, float [N]; by default 1.

    Examples:
        >>> log_loss(torch.tensor([0.0, 0.0]), torch.tensor([1, 0]))
        tensor(0.6931, dtype=torch.float64)
    """
    return mean(row_losses(logits, labels), weights)


def normalized_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """LogLoss over the LogLoss of the mean label, float64 scalar; ``nan`` unless there are both classes.

        NE = LogLoss / -(p log p + (1-p) log(1-p)),     p the mean label

    Below 1 the model knows more than the mean. Unlike LogLoss, it compares between periods with other shares of
    positives. Source: He et al., "Practical Lessons from Predicting Clicks on Ads at Facebook", ADKDD 2014.

    Args:
        logits: float [N].
        labels: 0 or 1, of any type [N].
        weights: what each row counts, float [N]; by default 1.

    Examples:
        >>> normalized_entropy(torch.tensor([0.0, 0.0]), torch.tensor([1, 0]))  # the mean label says as much
        tensor(1., dtype=torch.float64)
    """
    of_mean = entropy(labels, weights)
    return torch.where(of_mean > 0, log_loss(logits, labels, weights) / of_mean, torch.nan)


def entropy(labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """The LogLoss of the mean label, float64 scalar; ``nan`` without rows.

    Args:
        labels: 0 or 1, of any type [N].
        weights: what each row counts, float [N]; by default 1.

    Examples:
        >>> entropy(torch.tensor([0, 1]))
        tensor(0.6931, dtype=torch.float64)
    """
    share = mean(labels.double(), weights)
    return torch.special.entr(share) + torch.special.entr(1 - share)


def calibration(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean predicted probability over mean label, float64 scalar, 1 at best; ``nan`` without a positive.

    Source: He et al., "Practical Lessons from Predicting Clicks on Ads at Facebook", ADKDD 2014.

    Args:
        logits: float [N].
        labels: 0 or 1, of any type [N].
        weights: what each row counts, float [N]; by default 1.

    Examples:
        >>> calibration(torch.tensor([0.0, 0.0, 0.0]), torch.tensor([1, 0, 0]))  # ½ predicted, a third positive
        tensor(1.5000, dtype=torch.float64)
    """
    expected, positives = logits.double().sigmoid(), labels.double()
    if weights is not None:
        expected, positives = expected * weights, positives * weights
    return torch.where(positives.sum() > 0, expected.sum() / positives.sum(), torch.nan)
