"""Random numbers for draws that are redrawn until they fit: one after the other, or by the number of the draw."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from asmg_pl.randomness.keyed import fraction

#: Gives random numbers from 0 to 1, float64 [n]: for which draws (int64 [n]), and which try of theirs it is.
Chance = Callable[[Tensor, int], Tensor]


def in_sequence(random: torch.Generator) -> Chance:
    """Random numbers one after the other, on the generator's device."""
    return lambda draws, attempt: torch.rand(len(draws), dtype=torch.float64, device=random.device, generator=random)


def by_number(seed: int, numbers: Tensor) -> Chance:
    """Random numbers that depend on the seed, a draw's number and the try alone.

    Args:
        seed: of all draws.
        numbers: what each draw is known by, wherever it is made, int64 [draws].
    """
    return lambda draws, attempt: fraction(numbers[draws], seed % 2**64, attempt)
