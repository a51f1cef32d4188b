"""What a walk has scored so far: one entry per period, model by model."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

METRICS = ("auc", "logloss")


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
        scores: for each model, its ``auc`` and ``logloss``. The model that serves is called ``"serving"``.
    """

    period: int
    split: str
    rows: int
    positives: int
    scores: dict[str, dict[str, float]] = field(default_factory=dict)

    def flat(self) -> dict[str, Any]:
        """One row of a table, columns ``MODEL_METRIC``."""
        row: dict[str, Any] = {k: v for k, v in asdict(self).items() if k != "scores"}
        return row | {f"{model}_{m}": score[m] for model, score in self.scores.items() for m in METRICS}


def mean_over(results: Iterable[PeriodResult], split: str | None = None) -> dict[str, float]:
    """The mean over the periods, or those of one split, by column of :meth:`PeriodResult.flat`; ``nan`` is left out."""
    rows = [r.flat() for r in results if split in (None, r.split)]
    columns = [c for c in (rows[0] if rows else {}) if c.endswith(METRICS)]
    means = {}
    for column in columns:
        values = [row[column] for row in rows if not math.isnan(row[column])]
        means[column] = math.fsum(values) / len(values) if values else math.nan
    return means
