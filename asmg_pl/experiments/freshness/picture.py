"""The picture of the curve: what an age costs, with the interval as a band."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from asmg_pl.experiments.freshness.curve import METRICS, Curve
from asmg_pl.system.files import written_whole


def draw(found: Curve, path: Path, title: str) -> None:
    """Draw AUC and LogLoss by age, as differences from the newest model, and write the figure.

    Ages that were trained on the period are grey: they show what is forgotten, not what lateness costs.

    Args:
        found: the curve.
        path: of the PNG file.
        title: above the panels, a sentence of this program.
    """
    canvas = Figure(figsize=(9, 4), layout="constrained")
    canvas.suptitle(title, fontsize="medium")
    for axis, metric in zip(canvas.subplots(1, 2), METRICS, strict=True):
        label = {"auc": "AUC", "logloss": "LogLoss"}[metric]
        _draw_ages(axis, found, metric, seen=False)
        _draw_ages(axis, found, metric, seen=True)
        axis.axhline(0.0, color="0.4", linewidth=0.8, linestyle="--", zorder=0)
        axis.set(xlabel="age of the model, in periods", ylabel=f"{label} less that of age 1 (grey: of age 0)")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False)
    with written_whole(path) as partial:
        canvas.savefig(partial, dpi=110, format="png")


def _draw_ages(axis: Axes, found: Curve, metric: str, seen: bool) -> None:
    rows = [row for row in found.rows if row["seen"] is seen]
    if not rows:
        return
    sign = METRICS[metric]  # a cost is a lower AUC, and a higher LogLoss
    ages = [row["age"] for row in rows]
    cost, low, high = (np.array([row[f"{metric}_{name}"] for row in rows]) * sign for name in ("cost", "low", "high"))
    colour = "0.5" if seen else "tab:blue"
    axis.plot(
        ages, cost, marker="o", markersize=3.5, color=colour, label="seen: trained on the period" if seen else "later"
    )
    axis.fill_between(ages, np.minimum(low, high), np.maximum(low, high), color=colour, alpha=0.2, linewidth=0)
