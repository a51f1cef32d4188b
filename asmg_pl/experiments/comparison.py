"""One table of several methods: mean scores, lift over a baseline, the best method and those that may be as good."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from asmg_pl.callbacks.settings import settings_in
from asmg_pl.errors import DataError
from asmg_pl.experiments.baseline import Methods, with_baseline
from asmg_pl.experiments.plots import draw_comparison
from asmg_pl.experiments.rendering import Printed, figure, publish
from asmg_pl.experiments.runs import Run
from asmg_pl.experiments.summary import scores, summary, untested
from asmg_pl.metrics.paired import Lift, lift

#: Metrics of which less is better.
LOSSES = ("logloss", "normalized_entropy")

#: Why a method is not among those that can be the best.
DIVERGED, STOPPED, NO_TEST = "diverged", "stopped", "no test period"


def publish_comparison(
    methods: Methods, baseline: str | None, out: Path, metric: str = "auc", split: str = "test"
) -> None:
    """Print the table of some methods, and write it as ``OUT.md``, ``.tex`` and ``.csv`` with a figure, ``OUT.png``.

    Args:
        methods: the runs of each method.
        baseline: the method that lifts are over; ``None`` takes that of :func:`with_baseline`.
        out: where the files go.
        metric: what is compared, a column of ``metrics.csv`` without ``serving_``.
        split: of the periods that count.

    Raises:
        UserError: if the baseline is not among the methods, or the runs lack the metric.
    """
    methods, baseline = with_baseline(methods, baseline)
    rows = compare(methods, baseline, metric, split)
    draw_comparison(rows, methods, baseline, Path(f"{out}.png"), metric, split)
    publish(rows, show(rows, baseline, metric), out)


def by_method(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Runs by method, in the order of their seeds.

    Raises:
        DataError: if two runs of a method have one seed or differ in more than that, or if two runs were scored on
            other rows in one period.
    """
    methods: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.seed):
        methods.setdefault(run.method, []).append(run)
    for name, group in methods.items():
        for one, other in pairwise(group):
            if one.seed == other.seed:
                raise DataError(
                    f"{one.place} and {other.place} are both called {name} and have seed {one.seed}: compare one study "
                    "at a time, or give other names to their folders"
                )
            told, differing = settings_in(one.config), settings_in(other.config)
            changed = [key for key in told.keys() & differing.keys() if told[key] != differing[key]]
            if changed:
                raise DataError(
                    f"{one.place} and {other.place} are both called {name} but differ in {', '.join(sorted(changed))}: "
                    "walk them with one setting, or give other names to their folders"
                )
    _check_same_rows([run for group in methods.values() for run in group])
    return methods


def _check_same_rows(runs: Sequence[Run]) -> None:
    seen: dict[int, tuple[tuple[int, int], Run]] = {}
    for run in runs:
        if missing := {"rows", "positives"} - {*run.metrics.columns}:
            raise DataError(f"{run.place}: its scores have no column {min(missing)!r}, by which rows are compared")
        for period, *rows in run.metrics.select("period", "rows", "positives").iter_rows():
            first, there = seen.setdefault(period, (tuple(rows), run))
            if first != tuple(rows):
                raise DataError(
                    f"{there.place} and {run.place} were scored on other rows in period {period}: runs can be compared "
                    "on one stream that is cut alike"
                )


def _check_same_cases(runs: Iterable[Run]) -> None:
    """Check that runs have ranked the same cases, which depend on the seed, as far as their counts tell.

    Raises:
        DataError: naming two runs that have not.
    """
    seen: dict[tuple[int, int], tuple[tuple[float, ...], Run]] = {}
    for run in runs:
        for period, *ranked in run.metrics.select("period", pl.col("^cases_.*$")).fill_null(-1.0).iter_rows():
            first, there = seen.setdefault((run.seed, period), (tuple(ranked), run))
            if first != tuple(ranked):
                raise DataError(
                    f"{there.place} and {run.place} have ranked other cases in period {period}: lists can be compared "
                    "that are made with the same model.top_k"
                )


def compare(
    methods: Mapping[str, Sequence[Run]], baseline: str | None, metric: str = "auc", split: str = "test"
) -> list[dict[str, Any]]:
    """The rows of the table, the best first.

    Args:
        methods: the runs of each method.
        baseline: whose name the lift is over; without lifts if it is not among the methods.
        metric: what the lift and the order are by.
        split: of the periods that count.

    Returns:
        For each method its :func:`~asmg_pl.experiments.summary.summary`, and

        - ``cells``, the number of its scores: seeds times scored periods,
        - ``mean``, its mean of the metric,
        - ``lift`` over the baseline, with its 95 % interval from ``low`` to ``high``,
        - ``standing``: ``best``, or ``≈`` if the interval of its paired difference from the best holds zero. These are
          single intervals: among twenty equal methods, one may be expected to stand apart by chance.
        - ``note``, a sentence on why it cannot be the best.

        A method that has diverged in one of its walks has no mean and no lift, and neither has a method without a test
        period. A method that has stopped before the others' last period is compared on the periods that it has. None
        of these is ``best`` or ``≈``: their ``standing`` says why.

    Raises:
        DataError: if a method's runs lack the metric, or have ranked other cases.
    """
    found = {name: scores(runs, split) for name, runs in methods.items()}
    for name, table in found.items():
        if metric not in table.columns and table.is_empty():
            found[name] = table.with_columns(pl.lit(None, pl.Float64).alias(metric))
        elif metric not in table.columns:
            raise DataError(
                f"the runs of {name} have no metric {metric!r}: choose one of {', '.join(table.columns[2:])}"
            )
    if "_at_" in metric:
        _check_same_cases(run for runs in methods.values() for run in runs)
    last = max(run.last for runs in methods.values() for run in runs)
    rows = []
    for name, runs in methods.items():
        cells, told = found[name][metric].drop_nulls().to_numpy(), summary(runs, split)
        standing, note = _standing(runs, told, found[name], split, last)
        row = {"method": name, **told, "cells": len(cells), "standing": standing, "note": note}
        row["mean"] = float(cells.mean()) if len(cells) and standing != DIVERGED else math.nan
        if baseline is not None and baseline in found:
            unknown = standing == DIVERGED or any(run.diverged for run in methods[baseline])
            lifted = Lift(*[math.nan] * 3) if unknown else lift(found[name], found[baseline], metric)
            row["lift"], row["low"], row["high"] = lifted
        rows.append(row)
    sign = 1 if metric in LOSSES else -1
    rows.sort(key=lambda row: (row["standing"] != "", math.inf if math.isnan(row["mean"]) else sign * row["mean"]))
    able = [row for row in rows if not row["standing"] and not math.isnan(row["mean"])]
    for row in able:
        apart = lift(found[row["method"]], found[able[0]["method"]], metric).distinct
        row["standing"] = "best" if row is able[0] else "" if apart else "≈"
    return rows


def _standing(
    runs: Sequence[Run], told: Mapping[str, Any], found: pl.DataFrame, split: str, last: int
) -> tuple[str, str]:
    """Why a method cannot be the best, as a word and as a sentence; two empty ones if it can."""
    if told["note"]:
        return DIVERGED, told["note"]
    if found.is_empty():
        return (NO_TEST, untested(runs)) if split == "test" else ("no period", f"no {split} period")
    short = [f"{run.last} (seed {run.seed})" for run in runs if run.last < last]
    if short:
        return STOPPED, f"stopped at period {', '.join(short)}, others go on to {last}"
    return "", ""


def show(rows: Sequence[Mapping[str, Any]], baseline: str | None, metric: str = "auc") -> Printed:
    """The table as it is printed.

    Args:
        rows: made by :func:`compare`.
        baseline: the name of the method that lifts are over; ``None`` leaves their columns out.
        metric: what the rows were compared by.
    """
    extra = [] if metric in ("auc", "logloss") else [metric]
    lifts = [] if baseline is None else [f"lift over {baseline}" if metric == "auc" else f"{metric} over {baseline}"]
    lifts += ["95 %"] if lifts else []
    header = ["method", "setting", "AUC", "LogLoss", *extra, *lifts, "", "steps", "seconds", "MiB", "cells"]
    lines = []
    for row in rows:
        interval = [figure(row.get(end), "+.4f") for end in ("low", "high")]
        lifted = [figure(row.get("lift"), "+.4f"), " to ".join(end for end in interval if end)]
        lines.append(
            [
                row["method"],
                row["setting"],
                figure(row["auc"], ".4f"),
                figure(row["logloss"], ".4f"),
                *(figure(row["mean"], ".4f") for _ in extra),
                *(lifted if lifts else []),
                row["standing"],
                figure(row["steps"], ".0f"),
                figure(row["seconds"], ".2f"),
                figure(row["peak_mib"], ".0f"),
                str(row["cells"]),
            ]
        )
    return Printed(header, lines, notes_of(rows), details=["setting", "MiB", "cells", "steps", "seconds"])


def notes_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence on each method that has diverged, has stopped early, or has no test period."""
    return [f"{row['method']}: {row['note']}" for row in rows if row.get("note")]
