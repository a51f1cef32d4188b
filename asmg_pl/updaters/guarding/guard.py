"""The guard: what serves next is what was best on the periods already scored.

    period            12      13      14      15      16
    gain              −0.4    +0.1    +0.6    +0.5    +0.7     in thousandths: how much lower a candidate's LogLoss is
    weight            .41     .51     .64     .80     1        decayed by age
                      mean difference ± its standard error  ─▶  serves in period 17, if better by the margin

The choice depends on the results of earlier periods alone. They are in every checkpoint and equal on all ranks, and so
is the choice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from asmg_pl.errors import ConfigError
from asmg_pl.metrics.by_period import backwards
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.updaters.guarding.evidence import Difference

#: The candidate that serves unless another one is better.
DEFAULT = "incremental"

#: The smallest difference of two LogLosses that counts. Rounding makes smaller ones.
LEAST = 1e-5

#: Periods whose weight is less count for nothing.
_FORGOTTEN = 1e-3


class Choice(NamedTuple):
    """What serves, and why.

    Attributes:
        served: the name of the candidate.
        why: the reason in words.
    """

    served: str
    why: str


class Evidence(NamedTuple):
    """How much less the LogLoss of one candidate is than that of another one, over the periods that compare them.

    Attributes:
        gain: the weighted mean of the differences, in nats; above 0 if the one is better.
        error: the standard error of this mean, from the spread of the differences; infinite for a single one.
        auc: the weighted mean of how much higher the AUC is; NaN if no period defines it.
        periods: how many periods compare the two.
    """

    gain: float
    error: float
    auc: float
    periods: int


@dataclass(frozen=True)
class Guard:
    """Chooses among candidates what serves the next period, from their scores on the periods before it.

    The incremental model serves at first. A candidate replaces what serves if its LogLoss is lower by ``margin``
    standard errors of the mean difference, over at least ``periods`` periods. The margin is wide, since several
    candidates are compared after each period, and one of them will seem better by chance some day.

    Three things hold a candidate back at once, without a margin: a mean LogLoss that is not below that of the
    incremental model; a mean AUC that is, since a LogLoss may be lower by better calibration alone; and scores in the
    newest period that are not finite or are all equal.

    A candidate whose scores equal those of the incremental model has begun anew. What it scored before that does not
    count.

    Attributes:
        decay: what a period counts, relative to the one after it.
        margin: the standard errors by which a candidate must be better.
        periods: the fewest periods that must compare two candidates.
        blends: for each number α, the interpolation θ + α(θ* − θ) of the incremental model θ and the generated model θ*
            is a candidate too.

    Examples:
        >>> def result(period, incremental, generated):
        ...     scores = {"incremental": incremental, "generated": generated, "serving": incremental}
        ...     metrics = {name: {"auc": 1 - loss, "logloss": loss} for name, loss in scores.items()}
        ...     return PeriodResult(period, "warm-up", 100, 40, 0, 0, metrics)
        >>> losses = {12: (0.50, 0.49), 13: (0.52, 0.50), 14: (0.51, 0.49)}
        >>> results = {period: result(period, *pair) for period, pair in losses.items()}
        >>> Guard().choose(results).served
        'generated'
        >>> Guard().choose({12: results[12]})
        Choice(served='incremental', why='default: generated has been compared in 1 of 3 periods')
    """

    decay: float = 0.8
    margin: float = 3.0
    periods: int = 3
    blends: tuple[float, ...] = (0.5,)

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ConfigError: naming the option.
        """
        if not 0 < self.decay <= 1:
            raise ConfigError(f"model.guard.decay must be above 0 and at most 1, got {self.decay}")
        if not 0 <= self.margin < math.inf:
            raise ConfigError(f"model.guard.margin must be at least 0, got {self.margin}")
        if self.periods < 2:
            raise ConfigError(f"model.guard.periods must be at least 2, got {self.periods}")
        for alpha in self.blends:
            if not 0 < alpha < 1:
                raise ConfigError(f"model.guard.blends must lie between 0 and 1, got {alpha}")
        if len(set(self.blends)) < len(self.blends):
            raise ConfigError(f"model.guard.blends has a number twice: {', '.join(map(str, self.blends))}")

    def choose(self, results: Mapping[int, PeriodResult]) -> Choice:
        """What serves the period after the scored ones.

        Args:
            results: of the periods before it, in their order.
        """
        scored = self._telling(results)
        if not scored:
            return Choice(DEFAULT, "default: no period has been scored")
        names = [name for name in scored[0].scores if name not in (DEFAULT, "serving")]
        current, left = next(backwards(results)).served or DEFAULT, ""
        current = current if current in names else DEFAULT
        if current != DEFAULT and (left := self._held_back(scored, current)):
            current = DEFAULT
        fit = [name for name in names if name != current and not self._held_back(scored, name)]
        found = {name: self._evidence(scored, name, current) for name in fit}
        better = {name: each for name, each in found.items() if self._better(each)}
        if better:
            best = max(better, key=lambda name: better[name].gain)
            return Choice(best, f"better than {current}: {_shown(better[best])}")
        if left:
            return Choice(DEFAULT, left)
        if current == DEFAULT:
            return Choice(DEFAULT, self._default(scored, names))
        return Choice(current, f"stays: than {DEFAULT} {_shown(self._evidence(scored, current, DEFAULT))}")

    def _telling(self, results: Mapping[int, PeriodResult]) -> list[PeriodResult]:
        """The results that tell candidates apart, the newest first."""
        scored = (result for result in backwards(results) if tells_apart(result))
        if self.decay == 1:
            return [*scored]
        return [*islice(scored, 1 + math.ceil(math.log(_FORGOTTEN) / math.log(self.decay)))]

    def _held_back(self, scored: Sequence[PeriodResult], name: str) -> str:
        """Why a candidate must not serve; empty if it may."""
        newest = scored[0]
        if name in newest.diverged:
            return f"{name} is held back: scores of period {newest.period} are not finite"
        if name in newest.constant:
            return f"{name} is held back: all scores of period {newest.period} are equal"
        evidence = self._evidence(scored, name, DEFAULT)
        if not evidence.periods:
            return f"{name} is held back: it has begun anew"
        if evidence.gain <= 0:
            return f"{name} is held back: {_shown(evidence)}"
        if evidence.auc < 0:
            return f"{name} is held back: AUC lower by {-evidence.auc:.4f} over {evidence.periods} periods"
        return ""

    def _default(self, scored: Sequence[PeriodResult], names: Sequence[str]) -> str:
        """Why the default goes on serving: what keeps back the candidate that comes closest."""
        found = {name: self._evidence(scored, name, DEFAULT) for name in names}
        found = {name: each for name, each in found.items() if each.periods}
        if not found:
            broken = [name for name in names if name in scored[0].diverged or name in scored[0].constant]
            return self._held_back(scored, broken[0]) if broken else "default: no candidate has begun"
        best = max(found, key=lambda name: found[name].gain)
        if found[best].periods < self.periods:
            return f"default: {best} has been compared in {found[best].periods} of {self.periods} periods"
        return self._held_back(scored, best) or f"default: than it {best} has {_shown(found[best])}"

    def _better(self, evidence: Evidence) -> bool:
        """Whether evidence is enough for a change."""
        return evidence.periods >= self.periods and evidence.gain > max(self.margin * evidence.error, LEAST)

    def _evidence(self, scored: Sequence[PeriodResult], name: str, other: str) -> Evidence:
        """Compare two candidates, back to where one of them has begun anew.

        Args:
            scored: the results, the newest first.
            name: the one candidate.
            other: the other one.
        """
        gains, aucs = [], []
        for age, result in enumerate(scored):
            if any(_interrupted(result, each) for each in (name, other)):
                break
            ours, theirs = result.scores[name], result.scores[other]
            gains.append(theirs["logloss"] - ours["logloss"])
            if not math.isnan(higher := ours["auc"] - theirs["auc"]):
                aucs.append((age, higher))
        gain = Difference.of(gains, range(len(gains)), self.decay)
        auc = Difference.of([higher for _, higher in aucs], [age for age, _ in aucs], self.decay)
        return Evidence(gain.mean if gains else 0.0, gain.error, auc.mean, len(gains))


def tells_apart(result: PeriodResult) -> bool:
    """Whether a result has sound scores of the incremental model, and those of candidates beside them."""
    return not math.isnan(result.scores.get(DEFAULT, {}).get("logloss", math.nan)) and DEFAULT not in result.constant


def _interrupted(result: PeriodResult, name: str) -> bool:
    """Whether a candidate's scores of a period do not count, nor those before: they are no scores of its own."""
    if name == DEFAULT:
        return False
    if name not in result.scores:
        return True
    same = all(result.scores[name][metric] == result.scores[DEFAULT][metric] for metric in ("auc", "logloss"))
    return same or name in result.diverged or name in result.constant


def _shown(evidence: Evidence) -> str:
    word = "lower" if evidence.gain >= 0 else "higher"
    return f"LogLoss {word} by {abs(evidence.gain):.5f} ± {evidence.error:.5f} over {evidence.periods} periods"
