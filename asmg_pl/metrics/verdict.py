"""The verdict of one walk: what serves beside the plain update, in a number, its interval, and words.

A walk whose method scores a plain update beside what serves has the difference of their AUCs in each test period. The
lift is the mean of these differences, with the interval of :mod:`asmg_pl.metrics.paired`. The report of several runs
decides by the same interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from asmg_pl.metrics.paired import Lift, interval
from asmg_pl.metrics.results import PeriodResult, lift

#: What the interval of a lift decides, in words.
BETTER, WORSE, EVEN = "serve the generated model", "the plain update is better", "no difference that {} can tell"


def lift_over_plain_update(results: Iterable[PeriodResult], split: str = "test") -> Lift | None:
    """The mean of the AUC's differences between what serves and the plain update, with its 95 % interval.

    Args:
        results: the periods of one walk.
        split: the split whose periods count.

    Returns:
        The lift, whose numbers are NaN if one of the two models has diverged or no period defines both AUCs; ``None``
        if no period of the split has scored both models.

    Examples:
        >>> scores = [(0.70, 0.71), (0.72, 0.74), (0.71, 0.72)]
        >>> both = [{"incremental": {"auc": plain}, "serving": {"auc": served}} for plain, served in scores]
        >>> walked = [PeriodResult(25 + n, "test", 100, 40, 3, 5, scored) for n, scored in enumerate(both)]
        >>> lifted = lift_over_plain_update(walked)
        >>> round(lifted.mean, 4), lifted.distinct
        (0.0133, True)
    """
    counted = [result for result in results if result.split == split]
    differences = [lift(result.columns(["auc"])) for result in counted]
    found = np.array([difference for difference in differences if difference is not None], dtype=np.float64)
    if not len(found):
        return None
    if _diverged(counted):
        return Lift(math.nan, math.nan, math.nan)
    found = found[~np.isnan(found)]
    if not len(found):
        return Lift(math.nan, math.nan, math.nan)
    return Lift(float(found.mean()), *interval(found[None, :]))


def verdict(results: Iterable[PeriodResult]) -> str | None:
    """One sentence: the lift over the plain update on the test periods, its interval, and what it decides.

    Args:
        results: the periods of one walk.

    Returns:
        The sentence; ``None`` if no test period has scored a plain update beside what serves.

    Examples:
        >>> both = {"incremental": {"auc": 0.70}, "serving": {"auc": 0.71}}
        >>> print(verdict([PeriodResult(25, "test", 100, 40, 3, 5, both)]))
        lift over the plain update, period 25: +0.0100 AUC: a single period decides nothing
    """
    tested = [result for result in results if result.split == "test"]
    lifted = lift_over_plain_update(tested)
    if lifted is None:
        return None
    first, last = tested[0].period, tested[-1].period
    title = f"lift over the plain update, period{f's {first} to {last}' if first != last else f' {first}'}"
    if math.isnan(lifted.mean):
        if diverged := _diverged(tested):
            return f"{title}: none, since a model has diverged in period {', '.join(map(str, diverged))}"
        return f"{title}: none, since no period defines the AUC (each has rows of one label only)"
    if math.isnan(lifted.low):
        return f"{title}: {lifted.mean:+.4f} AUC: a single period decides nothing"
    number = sum(not math.isnan(lift(result.columns(["auc"])) or 0.0) for result in tested)
    decided = (BETTER if lifted.mean > 0 else WORSE) if lifted.distinct else EVEN.format(f"these {number} periods")
    return f"{title}: {lifted.mean:+.4f} AUC (95 % {lifted.low:+.4f} … {lifted.high:+.4f}): {decided}"


def _diverged(results: Iterable[PeriodResult]) -> list[int]:
    """The periods in which what serves, or the plain update, has diverged."""
    return [result.period for result in results if {"serving", "incremental"} & {*result.diverged}]
