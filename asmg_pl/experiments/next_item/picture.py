"""The picture: Recall@20 and MRR@20 of each method, week by week."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from asmg_pl.experiments.next_item.methods import METHODS
from asmg_pl.system.files import written_whole


def draw(periods: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw a line for each method, and write the figure.

    Args:
        periods: a row for each method and period, with the figures as shares.
        path: of the PNG file.
    """
    canvas = Figure(figsize=(9, 4), layout="constrained")
    for axis, metric, title in zip(
        canvas.subplots(1, 2), ("recall_20", "mrr_20"), ("Recall@20", "MRR@20"), strict=True
    ):
        for name in dict.fromkeys(row["method"] for row in periods):
            own = [row for row in periods if row["method"] == name]
            weeks, values = [row["period"] for row in own], [100 * row[metric] for row in own]
            axis.plot(weeks, values, marker="o", markersize=3.5, label=METHODS[name].title)
        axis.set(xlabel="test week; the model was trained on the weeks before", ylabel=f"{title}, %")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    canvas.axes[0].legend(frameon=False)
    with written_whole(path) as partial:
        canvas.savefig(partial, dpi=110, format="png")
