"""Paired statistics: how a method differs from another on the same periods, with the same seeds.

Two methods are compared on the cells that both have scored; a cell is a seed and a period. Cells are not independent of
each other: all seeds of a period are scored on the same rows, and all periods of a seed descend from one pre-trained
model. So the bootstrap draws whole seeds and whole periods, each with replacement and independently of the other, and
takes the cells where a drawn seed and a drawn period meet (Owen, *The pigeonhole bootstrap*, Annals of Applied
Statistics 1, 2007). Single cells, drawn as if they were independent, would give intervals that are too narrow.

With a single seed, only periods are drawn, and the interval says nothing about other seeds. So it is at the end of a
walk (:mod:`asmg_pl.metrics.verdict`). With n seeds or periods, a
bootstrap interval is too narrow by a factor of about √(1 - 1/n).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

_BLOCK = 2**22  # periods that are drawn at once, in all draws together


class Lift(NamedTuple):
    """A mean difference and its 95 % interval; the ends of the interval are NaN if there is a single cell.

    Examples:
        >>> Lift(0.0061, 0.0031, 0.0088).distinct, Lift(0.0061, -0.0012, 0.0088).distinct
        (True, False)
    """

    mean: float
    low: float
    high: float

    @property
    def distinct(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def lift(found: pl.DataFrame, baseline: pl.DataFrame, metric: str = "auc") -> Lift:
    """The mean of a metric's differences from a baseline, over the cells that both have.

    >>> iu = pl.DataFrame({"seed": [1, 1], "period": [25, 26], "auc": [0.70, 0.72]})
    >>> lifted = lift(iu.with_columns(pl.col("auc") + 0.01), iu)
    >>> round(lifted.mean, 4), lifted.distinct
    (0.01, True)

    Args:
        found: columns ``seed``, ``period`` and the metric.
        baseline: the same of the baseline.
        metric: the column to compare; a null or NaN in it is a missing cell.

    Returns:
        The lift, all of whose numbers are NaN if there is no common cell.
    """
    pairs = found.join(baseline, on=["seed", "period"], suffix="_base")
    pairs = pairs.with_columns(difference=pl.col(metric) - pl.col(f"{metric}_base"))
    pairs = pairs.filter(pl.col("difference").is_not_nan()).sort("seed", "period")  # null is not "not NaN" either
    if pairs.is_empty():
        return Lift(math.nan, math.nan, math.nan)
    cells = pairs.pivot(on="period", index="seed", values="difference").drop("seed").to_numpy()
    return Lift(float(pairs["difference"].to_numpy().mean()), *interval(cells))


def interval(cells: NDArray[np.float64], draws: int = 10_000) -> tuple[float, float]:
    """The 95 % interval of the mean of a table ``[seeds, periods]``, in which NaN is a missing cell.

    A drawn seed and a drawn period that have no cell in common add nothing; a draw without any cell is left out.
    """
    present = ~np.isnan(cells)
    if present.sum() < 2:
        return math.nan, math.nan
    random, means = np.random.default_rng(0), []
    seeds = _multiplicities(random, cells.shape[0], draws)
    block = max(
        _BLOCK // cells.shape[1], 1
    )  # the periods of an hourly stream, drawn all at once, would fill the memory
    for begin in range(0, draws, block):
        drawn = seeds[begin : begin + block]
        periods = _multiplicities(random, cells.shape[1], len(drawn))
        totals = np.einsum("ds,st,dt->d", drawn, np.where(present, cells, 0.0), periods, optimize=True)
        counts = np.einsum("ds,st,dt->d", drawn, present.astype(float), periods, optimize=True)
        means.append(totals[counts > 0] / counts[counts > 0])
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return float(low), float(high)


def _multiplicities(random: np.random.Generator, count: int, draws: int) -> NDArray[np.float64]:
    """How often each of ``count`` things is drawn when ``count`` are, ``[draws, count]``."""
    return random.multinomial(count, np.full(count, 1 / count), size=draws).astype(float)
