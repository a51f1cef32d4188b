"""The gate between a walk and production: whether the model that a walk has come to may serve.

    period          29        30        31        32
    published       ├─ trained up to 29 ─▶ scored on 30, 31, 32 ...
    the walk's      scored on 30 (trained up to 29), on 31 (up to 30), on 32 (up to 31)
    the new one     trained up to 32: no row has scored it yet

Both scores of a period are prequential: neither model had seen the period. The new version itself has no such score. So
the gate judges it by the models that the walk served on the latest periods, each one update younger than the one
before, and by a look at its answers to the newest rows, which it was trained on.

Two models are compared on the rows whose user and item had appeared before the period. For others, a version that
serves has only its row for the unknown, and a walk a fresh one, which no version answers with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from asmg_pl.errors import ConfigError
from asmg_pl.metrics.results import NOT_COUNTED, PeriodResult

#: The published version's name among the models of a result.
PUBLISHED = "published"

#: Differences of LogLoss up to this one are rounding: the published version is the walk's own serving model.
ROUNDING = 1e-5


@dataclass(frozen=True)
class Judgement:
    """What a gate says of a version.

    Attributes:
        held: the reasons to hold it back; empty if it may serve.
        compared: the periods in which the published version and the walk's serving model were two models.
        difference: the mean over these periods of the serving model's LogLoss less the published version's; ``None``
            without such a period.
        calibration: the serving model's mean probability over the mean label in the latest periods; ``None`` if no row
            of these periods is positive.
    """

    held: tuple[str, ...]
    compared: tuple[int, ...]
    difference: float | None
    calibration: float | None

    def with_reason(self, reason: str) -> Judgement:
        """The same judgement, with one more reason to hold the version back."""
        return replace(self, held=(*self.held, reason))

    def shown(self) -> str:
        """The numbers in words, for a log.

        Examples:
            >>> Judgement((), (31, 32), -0.0042, 1.03).shown()
            'LogLoss -0.0042 against the published version (periods 31 to 32), calibration 1.03'
        """
        if self.difference is None:
            loss = "no period to compare with the published version"
        else:
            loss = f"LogLoss {self.difference:+.4f} against the published version ({span(self.compared)})"
        return loss + ("" if self.calibration is None else f", calibration {self.calibration:.2f}")


@dataclass(frozen=True)
class Gate:
    """Rules that a new version must keep to before it serves.

    Attributes:
        margin: by how much LogLoss, in the mean over the compared periods, the walk's serving models may be worse than
            the published version.
        periods: how many of the latest periods count.
        calibration: the lowest and the highest mean probability over mean label.

    Examples:
        The published version had a LogLoss of 0.60 and 0.61 in two periods, the walk's serving models 0.63 and 0.62:

        >>> walked = [
        ...     PeriodResult(
        ...         *(period, "test", 100, 40, 0, 0),
        ...         scores={"serving": {"logloss": serving, "calibration": 1.1}},
        ...         known_logloss={"published": published, "serving": serving},
        ...     )
        ...     for period, published, serving in [(31, 0.60, 0.63), (32, 0.61, 0.62)]
        ... ]
        >>> print(*Gate(margin=0.01).judge(walked).held)
        LogLoss is worse than that of the published version by 0.0200 in the mean of periods 31 to 32, margin 0.01
        >>> Gate(margin=0.03).judge(walked).held
        ()
    """

    margin: float = 0.005
    periods: int = 7
    calibration: tuple[float, float] = (0.5, 2.0)

    def __post_init__(self) -> None:
        """Check the rules.

        Raises:
            ConfigError: naming the option that makes no sense.
        """
        low, high = self.calibration
        if math.isnan(self.margin):
            raise ConfigError("--margin must be a difference of LogLoss, got nan")
        if self.periods < 1:
            raise ConfigError(f"--periods must be at least 1, got {self.periods}")
        if not 0 <= low <= high:
            raise ConfigError(f"--calibration needs a lowest and a highest ratio, as 0.5 2, got {low:g} {high:g}")

    def judge(self, walked: Sequence[PeriodResult], newest: PeriodResult | None = None) -> Judgement:
        """Judge a new version.

        Args:
            walked: the walk's scores by period, oldest first. A result has the model ``published`` if the published
                version was scored on the period too.
            newest: the new version's answers to the newest period as ``serving``; ``None`` if they were not asked for.
                The version was trained on these rows, so only what no sound model does counts against it.
        """
        latest = [result for result in walked if result.rows and result.split not in NOT_COUNTED][-self.periods :]
        compared, difference = compare(latest)
        calibration = pooled_calibration(latest)
        held = [
            f"the serving model's LogLoss is not finite in period {result.period}"
            for result in latest
            if not math.isfinite(result.scores["serving"]["logloss"])
        ]
        if difference is not None and difference > self.margin:
            held.append(
                f"LogLoss is worse than that of the published version by {difference:.4f} in the mean of "
                f"{span(compared)}, margin {self.margin:g}"
            )
        if calibration is not None and not self._calibrated(calibration):
            held.append(f"calibration is {calibration:.3g} over {span([r.period for r in latest])}, {self._bounds}")
        if newest is not None and newest.rows:
            held += self._look(newest)
        return Judgement(tuple(held), compared, difference, calibration)

    def _look(self, newest: PeriodResult) -> list[str]:
        scores = newest.scores["serving"]
        if not math.isfinite(scores["logloss"]):
            return [f"the new version's answers to period {newest.period} are not finite"]
        calibration = pooled_calibration([newest])
        if calibration is not None and not self._calibrated(calibration):
            place = f"on period {newest.period}, which it was trained on"
            return [f"calibration of the new version is {calibration:.3g} {place}, {self._bounds}"]
        return []

    def _calibrated(self, ratio: float) -> bool:
        low, high = self.calibration
        return low <= ratio <= high  # which is false of nan

    @property
    def _bounds(self) -> str:
        return "outside of {:g} to {:g}".format(*self.calibration)


def compare(walked: Sequence[PeriodResult]) -> tuple[tuple[int, ...], float | None]:
    """The periods in which the published version and the walk's serving model differ, and their mean difference.

    Right after a version was published, the walk's serving model is that version, and both have the same score. Such a
    period says nothing about the updates since, and is left out. So is a period that one of the two does not define.

    Args:
        walked: the walk's scores by period.
    """
    found = {}
    for result in walked:
        if PUBLISHED in result.known_logloss:
            difference = result.known_logloss.get("serving", math.nan) - result.known_logloss[PUBLISHED]
            if math.isfinite(difference) and abs(difference) > ROUNDING:
                found[result.period] = difference
    mean = math.fsum(found.values()) / len(found) if found else None
    return tuple(found), mean


def pooled_calibration(walked: Sequence[PeriodResult]) -> float | None:
    """The serving model's mean probability over the mean label, over the rows of some periods together.

    A period's own ratio times its positives, each of its weight, is the sum of its probabilities. Without a positive
    row there is no ratio.

    Args:
        walked: the scores by period.
    """
    weighed = [(each, each.positives if each.positive_weight is None else each.positive_weight) for each in walked]
    known = [(result.scores["serving"]["calibration"], positives) for result, positives in weighed if positives]
    if not known:
        return None
    return math.fsum(ratio * positives for ratio, positives in known) / sum(positives for _, positives in known)


def span(periods: Sequence[int]) -> str:
    """Periods in words.

    Examples:
        >>> span([31]), span([30, 31, 32])
        ('period 31', 'periods 30 to 32')
    """
    return f"period {periods[0]}" if len(periods) == 1 else f"periods {periods[0]} to {periods[-1]}"
