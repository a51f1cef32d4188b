"""The curve: mean scores by age, and what an age costs, on the same periods for all ages.

What an age costs is the mean of paired differences from age 1 (of ages that were seen: from age 0), with the interval
of :mod:`asmg_pl.metrics.paired`. Without pairing, the drift of how hard the periods are would be read as ageing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import polars as pl

from asmg_pl.experiments.freshness import half_life
from asmg_pl.metrics.paired import Lift, lift

#: The metrics that are measured, and the sign that makes a larger number worse.
METRICS = {"auc": -1.0, "logloss": 1.0}

NO_LIFT = Lift(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Curve:
    """The scores by age.

    Attributes:
        rows: a row for each age, ascending: ``age``; ``seen``, whether models of this age were trained on the period;
            ``periods``, how many periods it was scored on; and for each metric its mean, ``METRIC_cost``, what the age
            costs (larger is worse), with ``METRIC_low`` and ``METRIC_high``. ``every_METRIC`` is the mean cost of the
            ages from 1 to this one: what updating only once in so many periods costs.
        half_lives: of each metric.
        scored_on: the periods that ages from 1 on are compared on.
        notes: a sentence for each age without a cost.
    """

    rows: list[dict[str, Any]]
    half_lives: dict[str, half_life.HalfLife]
    scored_on: list[int]
    notes: list[str]

    def at(self, age: int, metric: str) -> Lift:
        """What an age costs, with its interval."""
        row = next(row for row in self.rows if row["age"] == age)
        return Lift(*(row[f"{metric}_{name}"] for name in ("cost", "low", "high")))


def curve(cells: pl.DataFrame) -> Curve:
    """The curve of some cells, see :meth:`~asmg_pl.experiments.freshness.cells.CellFile.table`.

    An age of which a model has diverged in one of the periods has no score and no cost.

    Examples:
        >>> cells = pl.DataFrame({"period": [20, 20, 21, 21], "age": [1, 2, 1, 2], "auc": [0.70, 0.69, 0.80, 0.79]})
        >>> found = curve(cells.with_columns(logloss=0.5, diverged=0))
        >>> [(row["age"], row["seen"], round(row["auc"], 3), round(row["auc_cost"], 3)) for row in found.rows]
        [(1, False, 0.75, 0.0), (2, False, 0.74, 0.01)]
    """
    rows, notes = [], []
    broken = cells.filter(pl.col("diverged") > 0)["age"].unique().to_list()
    for age in sorted(cells["age"].unique().to_list()):
        found, seen = cells.filter(age=age), age <= 0
        row: dict[str, Any] = {"age": age, "seen": seen, "periods": len(found)}
        for metric, sign in METRICS.items():
            fresh = 0 if seen else 1
            whole = not {age, fresh} & {*broken}
            row[metric] = found[metric].mean() if age not in broken else None
            cost = _lift(found, cells.filter(age=fresh), metric, sign) if whole else NO_LIFT
            row |= {f"{metric}_cost": cost.mean, f"{metric}_low": cost.low, f"{metric}_high": cost.high}
            if not seen:
                upto = cells.filter(pl.col("age").is_between(1, age))
                mean = upto.group_by("period").agg(pl.col(metric).mean())
                known = not any(1 <= other <= age for other in broken)
                row[f"every_{metric}"] = _lift(mean, cells.filter(age=1), metric, sign).mean if known else math.nan
        if age in broken:
            notes.append(f"age {age} has no score, since a model of this age has diverged")
        rows.append(row)
    later = cells.filter(pl.col("age") > 0)
    return Curve(
        rows,
        {metric: _half_life(later, metric, sign, bool(broken)) for metric, sign in METRICS.items()},
        later["period"].unique().sort().to_list(),
        notes,
    )


def _lift(found: pl.DataFrame, fresh: pl.DataFrame, metric: str, sign: float) -> Lift:
    one = pl.lit(1).alias("seed")
    worse, base = (table.select(one, "period", pl.col(metric) * sign) for table in (found, fresh))
    return lift(worse, base, metric)


def _half_life(later: pl.DataFrame, metric: str, sign: float, broken: bool) -> half_life.HalfLife:
    """The half-life of a metric's loss; unknown if a model has diverged."""
    if broken or later.is_empty():
        return half_life.UNKNOWN
    wide = later.sort("age").pivot(on="age", index="period", values=metric).drop_nulls().sort("period").drop("period")
    values = sign * wide.to_numpy()
    return half_life.half_life(values - values[:, :1])
