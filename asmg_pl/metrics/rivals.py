"""Whether lists are better than those that need no model: what serves beside popularity and the user's latest item.

A model that loses to one of them gives its users worse lists than a count would. That is said in plain words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from asmg_pl.metrics.paired import Lift, interval
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.metrics.top_k import BASELINES, SAMPLED, headline_of

#: What the interval of a difference from a baseline decides.
WINS, LOSES, EVEN = "the model is better", "the model loses to it", "no difference that these periods can tell"


def rivals(results: Iterable[PeriodResult]) -> list[str]:
    """A sentence for each baseline: by how much what serves is better on the test periods, and what that decides.

    Args:
        results: the periods of one walk.

    Examples:
        >>> beside = {"popularity": {"ndcg_at_10": 0.2}, "last_item": {"ndcg_at_10": 0.5}}
        >>> scores = {"serving": {"auc": 0.7, "logloss": 0.6, "ndcg_at_10": 0.3}}
        >>> tests = [PeriodResult(period, "test", 9, 4, 0, 0, scores, ranking=beside) for period in (25, 26)]
        >>> for line in rivals(tests):
        ...     print(line)
        NDCG at 10, periods 25 to 26: 0.3000, +0.1000 over the most popular items (95 % +0.1000 … +0.1000): the model is better
        NDCG at 10, periods 25 to 26: 0.3000, -0.2000 over what mostly follows the user's latest item (95 % -0.2000 … -0.2000): the model loses to it
    """  # noqa: E501
    tested = [result for result in results if result.split == "test" and result.ranking]
    metric = headline_of([*tested[0].scores["serving"]]) if tested else None
    if metric is None:
        return []
    if any("serving" in result.diverged for result in tested):
        return ["lists: no comparison with the baselines, since the model has diverged"]
    first, last = tested[0].period, tested[-1].period
    span = f"periods {first} to {last}" if first != last else f"period {first}"
    lines = []
    for name, meaning in BASELINES.items():
        pairs = np.array([(r.scores["serving"][metric], r.ranking[name][metric]) for r in tested], dtype=np.float64)
        pairs = pairs[~np.isnan(pairs).any(1)]
        if not len(pairs):
            return [f"lists: no comparison with the baselines, since {span} have no case"]
        differences = pairs[:, 0] - pairs[:, 1]
        lift = Lift(float(differences.mean()), *interval(differences[None, :]))
        lines.append(f"{title_of(metric)}, {span}: {pairs[:, 0].mean():.4f}, {_said(lift, meaning)}")
    return lines


def title_of(metric: str) -> str:
    """A metric of lists in words.

    Examples:
        >>> title_of("ndcg_at_10"), title_of("sampled_hr_at_5")
        ('NDCG at 10', 'HR at 5 among sampled items')
    """
    name, _, length = metric.removeprefix(SAMPLED).partition("_at_")
    shown = name.upper() if name in ("hr", "ndcg", "mrr") else name
    return f"{shown} at {length}" + " among sampled items" * metric.startswith(SAMPLED)


def lost_to(tables: Mapping[str, Iterable[pl.DataFrame]]) -> list[str]:
    """A sentence for each method whose lists are worse on the test periods than those of a baseline.

    Args:
        tables: by method, the columns of ``metrics.csv`` of its runs.
    """
    said = []
    for method, runs in tables.items():
        found = [table.filter(pl.col("split") == "test") for table in runs]
        served = [name.removeprefix("serving_") for name in found[0].columns if name.startswith("serving_")]
        metric = headline_of(served)
        if metric is None or not all({f"serving_{metric}", f"popularity_{metric}"} <= {*t.columns} for t in found):
            continue
        for name, meaning in BASELINES.items():
            cells = [(t[f"serving_{metric}"] - t[f"{name}_{metric}"]).cast(pl.Float64).to_numpy() for t in found]
            longest = max(map(len, cells))
            table = np.stack([np.pad(each, (0, longest - len(each)), constant_values=np.nan) for each in cells])
            if np.isnan(table).all():
                continue
            lift = Lift(float(np.nanmean(table)), *interval(table))
            if lift.high < 0 or (math.isnan(lift.high) and lift.mean < 0):
                said.append(
                    f"{method} loses to {meaning} by {-lift.mean:.4f} {title_of(metric)}: its lists are worse than a "
                    "count's."
                )
    return said


def _said(lift: Lift, meaning: str) -> str:
    words = f"{lift.mean:+.4f} over {meaning}"
    if math.isnan(lift.low):
        return f"{words}: a single period decides nothing"
    decided = (WINS if lift.mean > 0 else LOSES) if lift.distinct else EVEN
    return f"{words} (95 % {lift.low:+.4f} … {lift.high:+.4f}): {decided}"
