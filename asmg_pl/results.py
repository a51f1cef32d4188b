"""What a walk has scored so far: one entry per period, model by model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

#: The metrics that are shown on the screen; the files and the loggers have all.
HEADLINE = ("auc", "logloss")


@dataclass(frozen=True)
class PeriodResult:
    """The scores on one period, before anything was trained on it.

    Attributes:
        period: the scored period.
        split: ``"selection"`` if the period chose the pre-training epoch, so that its own score is not prequential;
            ``"seen"`` if the model had been trained on it, which only ``asmg validate`` and ``asmg test`` can be
            asked for; ``"warm-up"`` and ``"test"`` otherwise.
        rows: rows scored.
        positives: how many of them are positive.
        new_user_rows: how many are of users without a row in any earlier period.
        new_item_rows: how many are of items without a row in any earlier period.
        scores: for each model, its metrics by name, see :meth:`asmg_pl.metrics.ScoredRows.compute`. The model that
            serves is called ``"serving"``.
    """

    period: int
    split: str
    rows: int
    positives: int
    new_user_rows: int
    new_item_rows: int
    scores: dict[str, dict[str, float]]

    def flat(self) -> dict[str, Any]:
        """One row of a table, with columns ``MODEL_METRIC`` at its end."""
        return {name: value for name, value in vars(self).items() if name != "scores"} | self.columns()

    def logged(self) -> dict[str, float]:
        """One row for a logger, numbers alone: the ``period``, counts as ``data/…`` and scores as ``MODEL/METRIC``."""
        counts = ("rows", "positives", "new_user_rows", "new_item_rows")
        return (
            {"period": self.period} | {f"data/{name}": getattr(self, name) for name in counts} | self.columns(join="/")
        )

    def columns(self, metrics: Sequence[str] | None = None, join: str = "_") -> dict[str, float]:
        """All scores, or those by some metrics, by model and metric joined: by default, a column of :meth:`flat`."""
        return {
            f"{model}{join}{metric}": score[metric]
            for model, score in self.scores.items()
            for metric in (score if metrics is None else metrics)
        }


def mean_over(results: Iterable[PeriodResult], split: str | None = None, join: str = "_") -> dict[str, float]:
    """The mean over the periods, or those of one split, by column of scores; ``nan`` is left out of its own column."""
    rows = [result.columns(join=join) for result in results if split in (None, result.split)]
    means = {}
    for column in rows[0] if rows else {}:
        values = [row[column] for row in rows if not math.isnan(row[column])]
        means[column] = math.fsum(values) / len(values) if values else math.nan
    return means
