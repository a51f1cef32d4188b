"""One table of several methods: mean scores, lift over a baseline, which is best and what cannot be told from it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib import colormaps
from matplotlib.figure import Figure
from paired import Lift, lift
from run_folder import Run, scores, summary, untested
from tables import Shown, figure

from asmg_pl.callbacks.configuration import settings_in
from asmg_pl.errors import DataError
from asmg_pl.system.escaping import mathtext

#: Metrics of which less is better.
LOSSES = ("logloss", "normalized_entropy")

#: Why a method is not among those that can be the best.
DIVERGED, STOPPED, NO_TEST = "diverged", "stopped", "no test period"


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


def compare(
    methods: Mapping[str, Sequence[Run]], baseline: str, metric: str = "auc", split: str = "test"
) -> list[dict[str, Any]]:
    """The rows of the table, the best first.

    Args:
        methods: the runs of each method.
        baseline: whose name the lift is over; without lifts if it is not among the methods.
        metric: what the lift and the order are by.
        split: of the periods that count.

    Returns:
        For each method its :func:`~run_folder.summary`, the number of its ``cells`` (seeds times periods scored), its
        mean of the metric as ``mean``, ``lift`` with its interval ``low`` to ``high``, and ``standing``: ``best``,
        ``≈`` if the 95 % interval of its paired difference from the best holds zero, or nothing. These are single
        intervals: among twenty methods alike, one may be expected to stand apart by chance.

        A method that has ``diverged`` in any of its walks has no mean and no lift; one that has ``no test period``
        has none either, and one that has ``stopped`` before the others' last period is compared on the periods that it
        has. None of these is ``best`` or ``≈``; ``note`` says why in words.
    """
    found = {name: scores(runs, split) for name, runs in methods.items()}
    for name, table in found.items():
        if metric not in table.columns and table.is_empty():
            found[name] = table.with_columns(pl.lit(None, pl.Float64).alias(metric))
        elif metric not in table.columns:
            raise DataError(
                f"the runs of {name} have no metric {metric!r}: choose one of {', '.join(table.columns[2:])}"
            )
    last = max(run.last for runs in methods.values() for run in runs)
    rows = []
    for name, runs in methods.items():
        cells, told = found[name][metric].drop_nulls().to_numpy(), summary(runs, split)
        standing, note = _standing(runs, told, found[name], split, last)
        row = {"method": name, **told, "cells": len(cells), "standing": standing, "note": note}
        row["mean"] = float(cells.mean()) if len(cells) and standing != DIVERGED else math.nan
        if baseline in found:
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


def show(rows: Sequence[Mapping[str, Any]], baseline: str, metric: str = "auc") -> Shown:
    """The table."""
    over = f"lift over {baseline}" if metric == "auc" else f"{metric} over {baseline}"
    extra = [] if metric in ("auc", "logloss") else [metric]
    header = ["method", "setting", "AUC", "LogLoss", *extra, over, "95 %", "", "steps", "seconds", "MiB", "cells"]
    lines = []
    for row in rows:
        interval = [figure(row.get(end), "+.4f") for end in ("low", "high")]
        lines.append(
            [
                row["method"],
                row["setting"],
                figure(row["auc"], ".4f"),
                figure(row["logloss"], ".4f"),
                *(figure(row["mean"], ".4f") for _ in extra),
                figure(row.get("lift"), "+.4f"),
                " to ".join(end for end in interval if end),
                row["standing"],
                figure(row["steps"], ".0f"),
                figure(row["seconds"], ".2f"),
                figure(row["peak_mib"], ".0f"),
                str(row["cells"]),
            ]
        )
    return Shown(header, lines, notes_of(rows))


def notes_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence on each method that has diverged, has stopped early, or has no test period."""
    return [f"{row['method']}: {row['note']}" for row in rows if row.get("note")]


def draw(
    rows: Sequence[Mapping[str, Any]],
    methods: Mapping[str, Sequence[Run]],
    baseline: str,
    path: Path,
    metric: str = "auc",
    split: str = "test",
) -> None:
    """The methods from best to worst, with the interval of each one's lift, beside their scores by period."""
    canvas = Figure(figsize=(11, 2 + 0.2 * len(rows)), layout="constrained")
    ranking, course = canvas.subplots(1, 2)
    title = {"auc": "AUC", "logloss": "LogLoss"}.get(metric, mathtext(metric))
    for place, row in enumerate(rows):
        colour = colormaps["viridis"](0.9 * place / len(rows))
        ends = (row["lift"] - row["low"], row["high"] - row["lift"]) if "lift" in row else (0.0, 0.0)
        reach = [[max(0.0, end)] for end in ends]  # rounding may put the mean of equal differences beside an end
        ranking.errorbar(row["mean"], place, xerr=reach, marker="o", markersize=4, capsize=2, color=colour)
        if row["method"] == baseline:
            ranking.axvline(row["mean"], linestyle="--", color="grey", zorder=0)
        found = scores(methods[row["method"]], split)
        if found.is_empty():
            continue
        means = found.group_by("period").agg(pl.col(metric).mean()).sort("period")
        course.plot(means["period"], means[metric].fill_null(math.nan), marker="o", markersize=3, color=colour)
    words = [f" ({row['standing']})" if row["note"] else "" for row in rows]
    names = [mathtext(row["method"]) + word for row, word in zip(rows, words, strict=True)]
    ranking.set_yticks(range(len(rows)), names)
    ranking.set(xlabel=f"mean {title}, with the 95 % interval of its difference from {mathtext(baseline)}")
    ranking.invert_yaxis()
    course.set(xlabel="period, scored before anything was trained on it", ylabel=title)
    for axis in (ranking, course):
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    save(canvas, path, dpi=110)


def save(canvas: Figure, path: Path, dpi: int) -> None:
    """Write a figure; of characters that its font lacks nothing is said."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        canvas.savefig(path, dpi=dpi)
