"""The mean and the spread of a stream's numbers, over its first rows alone.

    rows       │ block │ block │ block │ bl… rows
    moments    ───────▶ ──────▶ ──────▶ ──▶              each block's own moments, joined one after the other

Blocks begin at fixed rows. So the same rows have the same moments, bit for bit, whichever rows were asked for before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from asmg_pl.system.lazy import later

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = later("torch")

#: The number of rows of a block.
BLOCK = 2**16

#: A spread below this share of the mean is rounding: float32 has no numbers so close to each other.
_ROUNDING = 1e-7


def logarithm(numbers: np.ndarray, chosen: Sequence[bool]) -> np.ndarray:
    """Numbers [n, M] with sign(x)·log(1 + abs(x)) in place of x in the columns that are chosen.

    Examples:
        >>> logarithm(np.array([[-1.0, 5.0]]), [True, False]).round(4).tolist()
        [[-0.6931, 5.0]]
    """
    if not any(chosen):
        return numbers
    values = numbers.astype(np.float64)
    return np.where(chosen, np.sign(values) * np.log1p(np.abs(values)), values)


@dataclass(frozen=True, eq=False)
class Moments:
    """The moments of M numbers; missing values are left out.

    Attributes:
        count: how many values each number has, int64 [M].
        average: the mean of each, 0 where there is no value, float64 [M].
        squares: the sum of squared differences from the mean, float64 [M].

    Examples:
        >>> moments = Moments.of(np.array([[1, 5], [np.nan, 5], [3, 5]], np.float32))
        >>> moments.count.tolist(), moments.mean, moments.std  # the second number has no spread
        ([2, 3], tensor([2., 5.]), tensor([1., 1.]))
    """

    count: np.ndarray
    average: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, numbers: np.ndarray) -> Moments:
        """The moments of the rows of a table, float [n, M], NaN for missing values."""
        values = numbers.astype(np.float64)
        there = ~np.isnan(values)
        count = there.sum(0)
        average = np.where(there, values, 0.0).sum(0) / np.maximum(count, 1)
        return cls(count, average, (np.where(there, values - average, 0.0) ** 2).sum(0))

    def joined(self, other: Moments) -> Moments:
        """The moments of the rows of both; see Chan, Golub and LeVeque (1979), "Updating formulae"."""
        count = self.count + other.count
        share = other.count / np.maximum(count, 1)
        apart = other.average - self.average
        average = self.average + apart * share
        return Moments(count, average, self.squares + other.squares + apart**2 * self.count * share)

    @property
    def mean(self) -> Tensor:
        """The means, 0 where there is no value, float32 [M]."""
        return torch.from_numpy(self.average.astype(np.float32))

    @property
    def std(self) -> Tensor:
        """The standard deviations, 1 where there is no value or no spread, float32 [M]."""
        std = np.sqrt(self.squares / np.maximum(self.count, 1))
        return torch.from_numpy(np.where(std > _ROUNDING * np.abs(self.average), std, 1.0).astype(np.float32))
