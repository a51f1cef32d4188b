"""Losses of a mini-batch: means over all its rows, whichever process has them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.recommenders import Recommender


def cross_entropy(logits: Tensor, labels: Tensor, batch: Batch) -> Tensor:
    """The mean cross-entropy of a mini-batch's logits [B] with labels or probabilities [B].

    If the rows are a share of a mini-batch, the loss is what they add to the mean, times the number of shares.
    Processes average their gradients, which so become the gradients of the mean. Without rows the loss is 0, with
    gradient 0.
    """
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
