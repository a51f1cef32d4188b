"""Losses of a mini-batch: means over all its rows, whichever process has them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.recommenders import Recommender


def cross_entropy(logits: Tensor, labels: Tensor, batch: Batch) -> Tensor:
    """The mean cross-entropy of a mini-batch's logits [B] with labels or probabilities [B].

    Rows with weights count that much in the sum, which is divided by the number of rows, as
    :class:`torch.nn.BCEWithLogitsLoss` does. If the rows are a share of a mini-batch, the loss is what they add to the
    mean, times the number of shares. Processes average their gradients, which so become the gradients of the mean.
    Without rows the loss is 0, with gradient 0.
    """
    if batch.weight is not None:
        return row_mean(F.binary_cross_entropy_with_logits(logits, labels, reduction="none"), batch)
    if batch.share is None:
        return F.binary_cross_entropy_with_logits(logits, labels)
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="sum") * batch.share.weight


def soft_cross_entropy(logits: Tensor, teacher: Recommender, batch: Batch) -> Tensor:
    """Distillation: the cross-entropy of the student's logits [B] with the teacher's probabilities as soft labels.

    Its gradient vanishes where the two agree; none reaches the teacher.
    """
    with torch.no_grad():
        soft_label = teacher(batch).sigmoid()
    return cross_entropy(logits, soft_label, batch)


def row_mean(numbers: Tensor, batch: Batch) -> Tensor:
    """The mean of a number for each row, [B], over the whole mini-batch, weighted as in :func:`cross_entropy`."""
    if batch.weight is not None:
        numbers = numbers * batch.weight
    return numbers.mean() if batch.share is None else numbers.sum() * batch.share.weight


def signs(labels: Tensor) -> Tensor:
    """1 for each positive row and -1 for each negative one, float [B]: the direction in which its logit should be."""
    return 2 * labels - 1
