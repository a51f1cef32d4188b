"""Random numbers for draws that are repeated until they fit: in sequence, or by the number of the draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from asmg_pl.randomness.keyed import fraction
from asmg_pl.system.lazy import later

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = later("torch")

#: Gives random numbers from 0 to 1, float64 [n], for draws (int64 [n]) and the number of the try.
Chance: TypeAlias = "Callable[[Tensor, int], Tensor]"


def in_sequence(random: torch.Generator) -> Chance:
    """Random numbers in sequence, on the generator's device."""
    return lambda draws, attempt: torch.rand(len(draws), dtype=torch.float64, device=random.device, generator=random)


def by_number(seed: int, numbers: Tensor) -> Chance:
    """Random numbers that depend only on the seed, the draw's number and the try.

    Args:
        seed: the seed of all draws.
        numbers: the numbers that identify the draws, int64 [draws].
    """
    return lambda draws, attempt: fraction(numbers[draws], seed % 2**64, attempt)
