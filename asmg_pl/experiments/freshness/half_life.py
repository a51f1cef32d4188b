"""How fast a model ages: the age by which half of the loss has come that comes at all.

The loss by age, relative to age 1, is taken to approach a limit C: it is C (1 - 2^{-(a - 1) / τ}) at age a, and τ is
the *half-life*, in periods. C and τ have the least squares of differences from the mean curve. A curve that is as good
as straight up to its end has no half-life within the ages that were measured, and this is what is said.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asmg_pl.metrics.paired import interval

#: Half-lives that are tried, within the shortest and the longest that the ages can tell.
TRIED = 400

#: Fewer periods say nothing about a loss: an interval over so few is far too narrow.
LEAST = 5

#: A half-life below this part of a period cannot be told from a loss that comes at once.
SHORTEST = 0.25


class HalfLife(NamedTuple):
    """What the loss by age says.

    Attributes:
        seen: 1 if older models lose, -1 if they gain, 0 if no difference shows, ``None`` if there are too few scores
            to say any of these.
        periods: the half-life; infinite if it is longer than the ages reach, NaN where no loss is seen.
        low: the lower end of its 95 % interval.
        high: the upper end.

    Examples:
        >>> HalfLife(0, math.nan, math.nan, math.nan).words(longest=7)
        'no decay seen'
        >>> HalfLife(1, 2.04, 1.2, math.inf).words(longest=7)
        'half-life 2.0 periods (95 % 1.2 … more than 7)'
    """

    seen: int | None
    periods: float
    low: float
    high: float

    def words(self, longest: int) -> str:
        """The half-life in words.

        Args:
            longest: the longest half-life that the ages can tell.
        """
        if self.seen is None:
            return f"too few scores for a half-life, which needs {LEAST} periods"
        if self.seen < 0:
            return "older models score better"
        if not self.seen:
            return "no decay seen"
        ends = [f"more than {longest}" if math.isinf(end) else f"{end:.1f}" for end in (self.low, self.high)]
        if math.isinf(self.periods):
            least = "" if math.isinf(self.low) else f" (95 % at least {ends[0]})"
            return f"half-life more than {longest} periods: the loss still grows at the last age{least}"
        return f"half-life {self.periods:.1f} periods (95 % {ends[0]} … {ends[1]})"


#: What a curve says that has too few scores.
UNKNOWN = HalfLife(None, math.nan, math.nan, math.nan)


def half_life(losses: NDArray[np.float64], draws: int = 2000) -> HalfLife:
    """The half-life of the loss by age, and its 95 % interval over periods that are drawn with replacement.

    Args:
        losses: by period and age [periods, ages], relative to age 1, the first column; larger is worse.
        draws: how often periods are drawn.

    Examples:
        >>> ages, noise = np.arange(8), np.random.default_rng(0).normal(size=(20, 8))
        >>> found = half_life(0.01 * (1 - 2.0 ** (-ages / 2)) + 1e-4 * noise)
        >>> round(found.periods, 1), found.low <= found.periods <= found.high
        (2.0, True)
    """
    if len(losses) < LEAST:
        return UNKNOWN
    low, high = interval(losses[:, 1:].mean(1)[None])
    if low <= 0:
        return UNKNOWN._replace(seen=-1 if high < 0 else 0)
    random = np.random.default_rng(0)
    periods = len(losses)
    drawn = random.multinomial(periods, np.full(periods, 1 / periods), size=draws) @ losses / periods
    ends = np.percentile(_fitted(drawn), [2.5, 97.5], method="nearest")
    return HalfLife(1, float(_fitted(losses.mean(0)[None])[0]), float(ends[0]), float(ends[1]))


def _fitted(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """The half-life of each mean curve [curves, ages]; infinite where none within the ages fits."""
    since = np.arange(curves.shape[1])
    tried = np.geomspace(SHORTEST, since[-1], TRIED)
    shapes = 1 - 2.0 ** (-since[:, None] / tried)  # [ages, tried]
    along = np.maximum(curves @ shapes, 0.0)
    explained = along**2 / (shapes**2).sum(0)  # the squares of the best multiple of each shape
    best = explained.argmax(1)
    none = (best == TRIED - 1) | (explained.max(1) <= 0)
    return np.where(none, math.inf, tried[best])
