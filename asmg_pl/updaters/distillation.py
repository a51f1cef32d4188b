"""Distillation: a model learns what another says of the same rows."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.recommenders import Recommender


def soft_cross_entropy(logits: Tensor, teacher: Recommender, batch: Batch) -> Tensor:
    """The mean cross-entropy of the student's logits [B] with the teacher's probabilities for the batch as soft labels.

    Its gradient vanishes where the two agree; none reaches the teacher.
    """
    with torch.no_grad():
        soft_label = teacher(batch).sigmoid()
    return F.binary_cross_entropy_with_logits(logits, soft_label)
