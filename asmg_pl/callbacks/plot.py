"""The plot of a run: AUC and LogLoss by period, model by model."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from asmg_pl.metrics.results import PeriodResult
from asmg_pl.system.escaping import mathtext
from asmg_pl.system.files import written_whole


class Plot(Figure):
    """A figure that a notebook shows, also where ``pyplot`` has not been imported."""

    def _repr_png_(self) -> bytes:
        """The figure as a PNG, which a notebook asks for."""
        picture = BytesIO()
        self.savefig(picture, dpi=130, format="png")
        return picture.getvalue()


def plot_results(results: Sequence[PeriodResult], path: Path) -> None:
    """Write the plot as a PNG, see :func:`draw`."""
    with written_whole(path) as partial:
        draw(results).savefig(partial, dpi=130, format="png")


def draw(results: Sequence[PeriodResult]) -> Plot:
    """Draw the scores; the test periods are shaded, and a cross marks the periods in which a model has diverged."""
    figure = Plot(figsize=(9, 6), layout="constrained")
    axes = figure.subplots(2, 1, sharex=True)
    tested = [r.period for r in results if r.split == "test"]
    for axis, (metric, title) in zip(axes, {"auc": "AUC", "logloss": "LogLoss"}.items(), strict=True):
        for model in results[-1].scores:
            points = [(r.period, r.scores[model][metric]) for r in results if model in r.scores]
            (line,) = axis.plot(*zip(*points, strict=True), marker="o", markersize=3.5, label=mathtext(model))
            diverged = [r.period for r in results if model in r.diverged]
            if diverged:
                at_bottom = {"transform": axis.get_xaxis_transform(), "clip_on": False}
                cross = {"marker": "x", "linestyle": "none", "color": line.get_color()}
                axis.plot(diverged, [0.0] * len(diverged), **cross, **at_bottom, label=f"{mathtext(model)}: diverged")
        if tested:
            axis.axvspan(tested[0] - 0.5, tested[-1] + 0.5, color="0.93", zorder=0, label="test periods")
        axis.set_ylabel(title)
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False, loc="best")
    axes[-1].set_xlabel("period, scored before anything was trained on it")
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
