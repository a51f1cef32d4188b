"""``gate.csv`` in the run folder: the published versions' scores beside those of the walk, period by period.

    version               period   published_auc  published_logloss  …   serving_auc  …   incremental_auc  …
    after-period-000029       30           .7012              .5930            .7012             .6990
    after-period-000029       31           .6987              .5951            .7020             .7001
    after-period-000031       32           …

A version has rows of the periods after its own alone. The columns of the walk are those of ``metrics.csv``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from asmg_pl.errors import DataError
from asmg_pl.experiments.run_files import table_of
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.operations.gate import PUBLISHED
from asmg_pl.system.files import written_whole

GATE = "gate.csv"

#: Models of the walk that stand beside the published version.
BESIDE = ("serving", "incremental")

#: The column of the LogLoss by which a gate compares, see :class:`~asmg_pl.metrics.results.PeriodResult`.
KNOWN = "logloss_known"

#: The columns before the scores.
_PLAIN: dict[str, type] = {"version": str, "period": int, "split": str, "rows": int, "positives": int}

#: The scores of a version on some periods.
Score = Callable[[Sequence[int]], Mapping[int, PeriodResult]]


class Comparison:
    """The table of a run, which grows by the periods that a version has not been scored on yet."""

    def __init__(self, folder: Path) -> None:
        """Name the run folder."""
        self.path = folder / GATE

    def beside(self, version: str, walked: Mapping[int, PeriodResult], score: Score) -> dict[int, PeriodResult]:
        """The walk's results with the scores of a published version beside them, which the table gets too.

        Args:
            version: the version's name.
            walked: the walk's results of the periods after the version's own.
            score: scores the version; called with the periods that the table lacks.
        """
        known = self._known(version)
        fresh = score([period for period in walked if period not in known])
        known |= {period: _scores(result, PUBLISHED) for period, result in fresh.items()}
        found = {period: _joined(result, known[period]) for period, result in walked.items()}
        if found:
            self._write(version, found)
        return found

    def _known(self, version: str) -> dict[int, dict[str, float]]:
        """The scores of a version by period and metric."""
        table = self._read()
        if table.is_empty():
            return {}
        names = [name for name in table.columns if name.startswith(f"{PUBLISHED}_")]
        rows = table.filter(version=version).select("period", *names).rows(named=True)
        return {row["period"]: {name.removeprefix(f"{PUBLISHED}_"): row[name] for name in names} for row in rows}

    def _read(self) -> pl.DataFrame:
        if not self.path.exists():
            return pl.DataFrame()
        try:
            return table_of(self.path, _PLAIN, other=float)
        except DataError as error:
            raise DataError(f"{error}. Remove the file: it is made anew") from None

    def _write(self, version: str, results: Mapping[int, PeriodResult]) -> None:
        rows = [
            {"version": version}
            | {name: getattr(result, name) for name in ("period", "split", "rows", "positives")}
            | result.columns()
            for result in results.values()
        ]
        new, before = pl.DataFrame(rows, infer_schema_length=None), self._read()
        if not before.is_empty():
            keys = ["version", "period"]
            new = pl.concat([before.join(new, on=keys, how="anti"), new], how="diagonal_relaxed")
        new = new.sort("period", "version")
        if not new.equals(before):
            with written_whole(self.path) as partial:
                new.write_csv(partial)


def _scores(result: PeriodResult, model: str) -> dict[str, float]:
    """A model's metrics, and its LogLoss on the rows whose user and item had appeared before."""
    return result.scores[model] | {KNOWN: result.known_logloss.get(model, math.nan)}


def _joined(result: PeriodResult, published: dict[str, float]) -> PeriodResult:
    """A result of the walk with the published version's scores before its own."""
    walked = {name: _scores(result, name) for name in BESIDE if name in result.scores}
    return replace(
        result,
        scores={PUBLISHED: published, **walked},
        known_logloss={PUBLISHED: published[KNOWN], **result.known_logloss},
    )
