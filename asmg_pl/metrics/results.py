"""The results of a walk: one entry per period, with the scores of each model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from asmg_pl.metrics.top_k import headline_of

#: The metrics that are shown on the screen; the files and the loggers have all.
HEADLINE = ("auc", "logloss")

#: What is counted of a period's rows.
COUNTS = ("rows", "positives", "new_user_rows", "new_item_rows")

#: Splits whose scores are not prequential and count in no mean, and why.
NOT_COUNTED = {"seen": "the model was trained on it", "selection": "it chose the epoch of pre-training"}


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
        new_user_rows: how many are of users without a row before the period. Rows before the first period count.
        new_item_rows: how many are of items without a row before the period.
        scores: for each model, its metrics by name, see :meth:`asmg_pl.metrics.ScoredRows.compute`. The model that
            serves is called ``"serving"``. ``nan`` is a metric that these rows do not define, or any metric of a model
            that has diverged.
        diverged: the models whose scores were not all finite, each with the number of its rows that were not.
        constant: the models that gave all rows one score, of two rows or more.
        served: the candidate whose scores are those of ``"serving"``, where a guard has chosen; otherwise ``None``.
        why: the reason of that choice.
        regret: how much lower the mean LogLoss so far would have been with the best fixed candidate.
        ranking: of walks that rank items, the metrics of each baseline by name, and as ``"cases"`` what was ranked: how
            many cases, and the shares of those whose item was unknown and of those that were left out, see
            :class:`asmg_pl.metrics.TopK`. The models' own are among their scores.
        known_logloss: for each model, its LogLoss on the rows whose user and item both have a row before the period;
            ``nan`` without such a row, or if the model has diverged. It stands in no file of the walk: a gate compares
            models by it, since a model that serves has no row of its own for the others.
        positive_weight: the sum of the weights of the positive rows; ``None`` if each counts 1. It stands in no file of
            the walk: a gate adds up the calibration of several periods by it.

    Examples:
        >>> result = PeriodResult(12, "test", 100, 40, 3, 5, {"serving": {"auc": 0.75, "logloss": 0.5}})
        >>> result.flat()["serving_auc"], result.logged()["serving/auc"], result.logged()["data/rows"]
        (0.75, 0.75, 100)
    """

    period: int
    split: str
    rows: int
    positives: int
    new_user_rows: int
    new_item_rows: int
    scores: dict[str, dict[str, float]]
    diverged: dict[str, int] = field(default_factory=dict)
    constant: list[str] = field(default_factory=list)
    served: str | None = None
    why: str | None = None
    regret: float | None = None
    known_logloss: dict[str, float] = field(default_factory=dict)
    ranking: dict[str, dict[str, float]] = field(default_factory=dict)
    positive_weight: float | None = None

    def flat(self) -> dict[str, Any]:
        """The result as one row of a file, whose last columns are ``MODEL_METRIC``.

        ``diverged`` has the names of the diverged models with blanks between them, or is ``None``. What a guard has
        chosen stands in ``served``, ``why`` and ``regret``, which are there only with a guard.
        """
        plain = {name: getattr(self, name) for name in ("period", "split", *COUNTS)}
        choice = {"served": self.served, "why": self.why, "regret": self.regret} if self.served else {}
        ranked = joined(self.ranking)
        return plain | {"diverged": " ".join(self.diverged) or None} | choice | self.columns() | ranked

    def logged(self) -> dict[str, float]:
        """The result as numbers for a logger: ``period``, counts as ``data/…`` and scores as ``MODEL/METRIC``.

        ``diverged`` is the number of diverged models. Of a guard's choice there are ``guard/regret`` and
        ``guard/served``, the place of the chosen candidate among the models that are scored, from 0.
        """
        choice = {}
        if self.served is not None and self.regret is not None:
            choice = {"guard/served": [*self.scores].index(self.served), "guard/regret": self.regret}
        return {
            "period": self.period,
            **{f"data/{name}": getattr(self, name) for name in COUNTS},
            "diverged": len(self.diverged),
            **choice,
            **self.columns(join="/"),
            **joined(self.ranking, join="/"),
        }

    def columns(self, metrics: Sequence[str] | None = None, join: str = "_") -> dict[str, float]:
        """The scores by the names of model and metric, joined.

        Args:
            metrics: the metrics to give, where a model has them; by default all.
            join: what stands between model and metric; by default the names are columns of :meth:`flat`.
        """
        return joined(self.scores, metrics, join)


def headline(scores: Mapping[str, Mapping[str, float]]) -> tuple[str, ...]:
    """The metrics that are shown on the screen, with one of the lists if items are ranked.

    Args:
        scores: the metrics of each model, by name.

    Examples:
        >>> headline({"serving": {"auc": 0.7, "logloss": 0.6, "hr_at_10": 0.3, "ndcg_at_10": 0.2}})
        ('auc', 'logloss', 'ndcg_at_10')
    """
    ranked = headline_of([*scores.get("serving", ())])
    return HEADLINE if ranked is None else (*HEADLINE, ranked)


def joined(
    scores: Mapping[str, Mapping[str, float]], metrics: Sequence[str] | None = None, join: str = "_"
) -> dict[str, float]:
    """Scores by the names of model and metric, joined; see :meth:`PeriodResult.columns`.

    Examples:
        >>> joined({"serving": {"auc": 0.7, "logloss": 0.6}}, ["auc"])
        {'serving_auc': 0.7}
    """
    return {
        f"{model}{join}{metric}": score[metric]
        for model, score in scores.items()
        for metric in (score if metrics is None else metrics)
        if metric in score
    }


def mean_over(results: Iterable[PeriodResult], split: str | None = None, join: str = "_") -> dict[str, float]:
    """The mean scores over the periods, or over the periods of one split, by column.

    A score that is not defined in a period is left out of the mean of its column. A model that has diverged in one of
    the periods has the mean ``nan``, since the mean over the other periods would look better than the model is.
    """
    counted = [result for result in results if split in (None, result.split)]
    diverged = {model for result in counted for model in result.diverged}
    means = {}
    for model, metrics in counted[0].scores.items() if counted else ():
        for metric in metrics:
            values = [result.scores[model][metric] for result in counted]
            defined = [] if model in diverged else [value for value in values if not math.isnan(value)]
            means[f"{model}{join}{metric}"] = math.fsum(defined) / len(defined) if defined else math.nan
    return means


def lift(columns: Mapping[str, float]) -> float | None:
    """How much better the serving model's AUC is than the incremental one's; ``None`` if one of them is not scored.

    Args:
        columns: scores by model and metric, see :meth:`PeriodResult.columns` and :func:`mean_over`.
    """
    if "serving_auc" not in columns or "incremental_auc" not in columns:
        return None
    return columns["serving_auc"] - columns["incremental_auc"]
