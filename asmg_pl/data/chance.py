"""Random numbers for draws that are redrawn until they fit: one after the other, or by the number of the draw."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

#: Gives random numbers from 0 to 1, float64 [n]: for which draws (int64 [n]), and which try of theirs it is.
Chance = Callable[[Tensor, int], Tensor]


def in_sequence(random: torch.Generator) -> Chance:
    """Random numbers one after the other, on the generator's device."""
    return lambda draws, attempt: torch.rand(len(draws), dtype=torch.float64, device=random.device, generator=random)


def by_number(seed: int, numbers: Tensor) -> Chance:
    """Random numbers that depend on the seed, a draw's number and the try alone, on the CPU.

    Source: two rounds of the generator of Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators",
    OOPSLA 2014, with the draw's number as its counter.

    Args:
        seed: of all draws.
        numbers: what each draw is known by, wherever it is made, int64 [draws].
    """

    def chance(draws: Tensor, attempt: int) -> Tensor:
        key = np.random.SeedSequence([seed % 2**64, attempt]).generate_state(2, np.uint64)
        word = numbers[draws].numpy().astype(np.uint64)
        for start in key:
            word = word * np.uint64(0x9E3779B97F4A7C15) + start
            word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            word ^= word >> np.uint64(31)
        return torch.from_numpy((word >> np.uint64(11)).astype(np.float64) / 2**53)

    return chance
