"""Losses of a mini-batch: means over its rows, over all processes that have a share of it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.recommenders import Recommender


def cross_entropy(logits: Tensor, labels: Tensor, batch: Batch) -> Tensor:
    """The mean cross-entropy of a mini-batch's logits [B] with labels or probabilities [B].

    Of a share, it is what its rows add to that mean, times the number of shares: the mean over the processes, which is
    what their gradients are averaged to, is the mean over the whole mini-batch. Without rows it is 0, with gradient 0.
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
