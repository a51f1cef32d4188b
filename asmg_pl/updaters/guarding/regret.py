"""The regret of a guard's choices, counted along a walk."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import islice

from asmg_pl.metrics.by_period import backwards
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.metrics.running import RunningSum
from asmg_pl.updaters.guarding.guard import tells_apart


class Regret:
    """How much lower the mean LogLoss would have been with the best fixed candidate, over all scored periods.

    It is below 0 where changing has been better than any candidate alone. It is NaN before anything is scored. Each
    result is counted once, so that a period takes the same time however many were before it.

    Examples:
        >>> losses = [(0.50, 0.49, 0.50), (0.52, 0.50, 0.50)]
        >>> names = ("incremental", "generated", "serving")
        >>> scores = [{name: {"logloss": x} for name, x in zip(names, each)} for each in losses]
        >>> results = {n: PeriodResult(n, "warm-up", 9, 4, 0, 0, scored) for n, scored in enumerate(scores)}
        >>> round(Regret().over(results), 4)
        0.005
    """

    def __init__(self) -> None:
        """Count nothing yet."""
        self._counted: Mapping[int, PeriodResult] = {}
        self._results = 0
        self._periods = 0
        self._losses: dict[str, RunningSum] = {}

    def over(self, results: Mapping[int, PeriodResult], newest: PeriodResult | None = None) -> float:
        """The regret over some results.

        Args:
            results: in the order of their periods. If they are the mapping of the last call, only what has been added
                since is counted.
            newest: a result after them, which is not counted yet.
        """
        if results is not self._counted or len(results) < self._results:
            self._counted, self._results, self._periods, self._losses = results, 0, 0, {}
        for result in reversed([*islice(backwards(results), len(results) - self._results)]):
            self._count(result)
        self._results = len(results)
        losses = self._losses or dict.fromkeys(newest.scores if newest is not None else (), RunningSum())
        further = newest is not None and tells_apart(newest)
        if not (periods := self._periods + further):
            return math.nan
        means = {
            name: loss.total(newest.scores[name]["logloss"] if further and newest is not None else 0.0) / periods
            for name, loss in losses.items()
        }
        fixed = [mean for name, mean in means.items() if name != "serving" and not math.isnan(mean)]
        return means["serving"] - min(fixed) if fixed else math.nan

    def _count(self, result: PeriodResult) -> None:
        if not tells_apart(result):
            return
        if not self._periods:
            self._losses = {name: RunningSum() for name in result.scores}
        self._periods += 1
        for name, loss in self._losses.items():
            loss.add(result.scores[name]["logloss"])
