"""Exponential moving averages of parameters over the steps of an optimiser."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


@torch.no_grad()
def follow(averages: Iterable[Tensor], numbers: Iterable[Tensor], decay: float) -> None:
    """Let each average take a step: average ← decay · average + (1 - decay) · number, in place.

    Args:
        averages: tensors of any shapes.
        numbers: one tensor of the same shape for each.
        decay: what remains of the average, from 0 to 1.
    """
    for average, number in zip(averages, numbers, strict=True):
        average.lerp_(number, 1 - decay)
