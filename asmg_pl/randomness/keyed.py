"""Random numbers by key: each depends on its key alone, not on the number of draws nor on their order.

    (seed, name) ─▶ key ─┐
                   row ──┼─▶ mix ─┐
                column ──┴────────┴─▶ mix ─▶ a number

So a table row is the same for any number of rows and on any device.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from asmg_pl.system.lazy import later

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = later("torch")

#: The increment that separates consecutive counters: the golden ratio in 64 bits, as a signed number.
STEP = 0x9E3779B97F4A7C15 - 2**64


def seed_of(*key: int | str) -> int:
    """Make a seed from 0 to 2**63 - 1 that depends on ``key`` alone."""
    words = [zlib.crc32(k.encode()) if isinstance(k, str) else k for k in key]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))


def mix(values: Tensor) -> Tensor:
    """SplitMix64's finaliser: a one-to-one map of int64 values, in which every bit depends on all bits.

    Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
    """
    for shift, factor in ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15)):
        values = (values ^ _shifted(values, shift)) * factor
    return values ^ _shifted(values, 31)


def uniform(rows: Tensor, columns: int, *key: int | str) -> Tensor:
    """Draw numbers from -1 (inclusive) to 1 (exclusive), float32 [n, columns], for the rows numbered int64 [n]."""
    of_row = mix(rows * STEP + seed_of(*key))
    column = torch.arange(1, columns + 1, device=rows.device) * STEP
    bits = _shifted(mix(of_row[:, None] + column), 40)  # 24 bits, which float32 holds exactly
    return bits.float() * 2**-23 - 1


def fraction(numbers: Tensor, *key: int | str) -> Tensor:
    """Draw a number from 0 (inclusive) to 1 (exclusive), float64 [n], for each of these numbers, int64 [n]."""
    # 53 bits, which float64 holds exactly
    return _shifted(mix(mix(numbers * STEP + seed_of(*key)) + STEP), 11).double() * 2**-53


@contextmanager
def seeded(*key: int | str) -> Iterator[None]:
    """A context in which torch's CPU generator starts from ``key``. Afterwards the generator has its earlier state."""
    with torch.random.fork_rng(devices=[]):  # of the CPU alone: the generators of GPUs would be copied each time
        torch.manual_seed(seed_of(*key))
        yield


def _shifted(values: Tensor, by: int) -> Tensor:
    """Shift the bits of int64 values to the right, with zeros from the left."""
    return (values >> by) & ((1 << (64 - by)) - 1)  # >> of a signed number repeats the sign bit
