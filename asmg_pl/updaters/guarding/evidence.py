"""What the periods so far say of models or settings: paired differences of scores, older ones weighing less.

period          12     13     14     15
setting a      .512   .498   .505   .497
setting b      .507   .495   .503     -       it has left the race
b - a         -.005  -.003  -.002             mean -.0032, with a standard error
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

#: The LogLoss of each setting, by period and the setting's number.
Losses = Mapping[int, Mapping[int, float]]


class Difference(NamedTuple):
    """How much larger one score is than another, in the mean of the periods that have both.

    Attributes:
        mean: the weighted mean of the differences; ``nan`` without a period.
        error: its standard error; ``inf`` from fewer than two periods.
        periods: how many periods have both.
    """

    mean: float
    error: float
    periods: int

    @classmethod
    def of(cls, differences: Sequence[float], ages: Sequence[int], decay: float) -> Difference:
        """The mean of differences, each with the weight decay to the power of its age.

        Args:
            differences: of each period.
            ages: how many periods ago each was.
            decay: what remains of a period's weight after each further period.

        Examples:
            >>> found = Difference.of([0.2, 0.4], ages=[1, 0], decay=0.5)
            >>> round(found.mean, 4), round(found.error, 4)
            (0.3333, 0.1054)
        """
        if not differences:
            return cls(math.nan, math.inf, 0)
        weights = [decay**age for age in ages]
        total = math.fsum(weights)
        mean = math.fsum(weight * found for weight, found in zip(weights, differences, strict=True)) / total
        spread = math.fsum(w * (found - mean) ** 2 for w, found in zip(weights, differences, strict=True)) / total
        independent = total**2 / math.fsum(weight**2 for weight in weights)  # as many equal weights would be as good
        error = math.sqrt(spread / (independent - 1)) if independent > 1 else math.inf
        return cls(mean, error, len(differences))


def difference(losses: Losses, setting: int, other: int, decay: float) -> Difference:
    """Compare two settings.

    Args:
        losses: what has been scored so far. A period in which one of the two has no finite LogLoss is left out.
        setting: the number of a setting.
        other: the number of the setting that it is compared with.
        decay: what remains of a period's weight after each further period.

    Examples:
        >>> found = difference({12: {0: 0.512, 1: 0.507}, 13: {0: 0.498, 1: 0.495}}, setting=1, other=0, decay=0.8)
        >>> round(found.mean, 5), found.periods
        (-0.00389, 2)
    """
    pairs = [
        (period, scored[setting] - scored[other])
        for period, scored in losses.items()
        if math.isfinite(scored.get(setting, math.nan)) and math.isfinite(scored.get(other, math.nan))
    ]
    newest = max(losses, default=0)
    return Difference.of([found for _, found in pairs], [newest - period for period, _ in pairs], decay)


def leader(losses: Losses, running: Sequence[int], before: int, decay: float, margin: float) -> int:
    """Choose the setting that leads: the one before, unless another is better by more than chance explains.

    Args:
        losses: what has been scored so far.
        running: the settings to choose from, by number.
        before: the setting that has led so far.
        decay: see :func:`difference`.
        margin: by how many standard errors another setting must be better.
    """
    if before not in running:
        before = running[0]
    found = {k: difference(losses, k, before, decay) for k in running if k != before}
    better = {k: each.mean for k, each in found.items() if each.mean < -margin * each.error}
    return min(better, key=better.__getitem__, default=before)


def losers(losses: Losses, running: Sequence[int], ahead: int, decay: float, margin: float, least: int) -> set[int]:
    """Find the settings that are worse than the leader by more than chance explains.

    Args:
        losses: what has been scored so far.
        running: the settings that race, by number.
        ahead: the setting that leads.
        decay: see :func:`difference`.
        margin: by how many standard errors a loser is worse.
        least: how many periods must have scored both.
    """
    found = {k: difference(losses, k, ahead, decay) for k in running if k != ahead}
    return {k for k, each in found.items() if each.periods >= least and each.mean > margin * each.error}
