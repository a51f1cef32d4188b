"""Figures of several methods: their ranking beside their course, and a curve over the values of an option."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib import colormaps
from matplotlib.figure import Figure

from asmg_pl.experiments.runs import Run
from asmg_pl.experiments.summary import scores
from asmg_pl.system.escaping import mathtext


def draw_comparison(
    rows: Sequence[Mapping[str, Any]],
    methods: Mapping[str, Sequence[Run]],
    baseline: str | None,
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
    over = "" if baseline is None else f", with the 95 % interval of its difference from {mathtext(baseline)}"
    ranking.set(xlabel=f"mean {title}{over}")
    ranking.invert_yaxis()
    course.set(xlabel="period, scored before anything was trained on it", ylabel=title)
    for axis in (ranking, course):
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    _save(canvas, path, dpi=110)


def draw_sweep(
    rows: Sequence[Mapping[str, Any]], option: str, values: Sequence[str], path: Path, split: str = "test"
) -> None:
    """AUC by an option's value: a line per method, with bars for the spread over the seeds; the baseline is dashed.

    Args:
        rows: made by :func:`asmg_pl.experiments.sweep.sweep`; a row without a value is a baseline.
        option: which option varies.
        values: its values, as the axis has them.
        path: of the figure.
        split: of the periods that the means are over.
    """
    canvas = Figure(figsize=(8, 4.5), layout="constrained")
    axis = canvas.subplots()
    varied = [row for row in rows if row[option] is not None]
    for method in dict.fromkeys(row["method"] for row in varied):
        line = sorted((row for row in varied if row["method"] == method), key=lambda row: values.index(row[option]))
        spread = [row["auc_std"] or 0.0 for row in line]
        places = [values.index(row[option]) for row in line]
        aucs = [math.nan if row["auc"] is None else row["auc"] for row in line]
        axis.errorbar(places, aucs, spread, marker="o", markersize=3.5, capsize=3, label=mathtext(method))
    for row in rows:
        if row[option] is None and row["auc"] is not None:
            axis.axhline(row["auc"], linestyle="--", color="grey", label=mathtext(row["method"]))
    axis.set_xticks(range(len(values)), [mathtext(value) for value in values])
    axis.set(xlabel=mathtext(option), ylabel=f"AUC, mean over {split} periods and seeds")
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    canvas.legend(loc="outside right upper", frameon=False)
    _save(canvas, path, dpi=130)


def _save(canvas: Figure, path: Path, dpi: int) -> None:
    """Write a figure, without a warning about characters that its font lacks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        canvas.savefig(path, dpi=dpi)
