"""The plot of a run: AUC and LogLoss by period, model by model, and the lift of the serving model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from asmg_pl.metrics.results import PeriodResult, lift
from asmg_pl.metrics.rivals import title_of
from asmg_pl.metrics.top_k import BASELINES, headline_of
from asmg_pl.system.escaping import mathtext
from asmg_pl.system.files import written_whole

#: The AUC of scores that tell nothing.
CHANCE = 0.5


class Plot(Figure):
    """A figure that a notebook shows, also where ``pyplot`` has not been imported."""

    def _repr_png_(self) -> bytes:
        """The figure as a PNG, which a notebook asks for."""
        picture = BytesIO()
        self.savefig(picture, dpi=130, format="png")
        return picture.getvalue()


def plot_results(results: Sequence[PeriodResult], path: Path, title: str = "") -> None:
    """Write the plot as a PNG, see :func:`draw`."""
    with written_whole(path) as partial:
        draw(results, title).savefig(partial, dpi=130, format="png")


def draw(results: Sequence[PeriodResult], title: str = "") -> Plot:
    """Draw the scores; the test periods are shaded, and a cross marks the periods in which a model has diverged.

    Where items are ranked, a panel shows a metric of the lists, and that of the baselines as dashed lines. Where the
    serving model is another one than the incremental, a panel shows the lift of its AUC.

    Args:
        results: by period.
        title: above the panels: which method, on which stream.
    """
    models = list(results[-1].scores)
    lifts = {r.period: found for r in results if (found := lift(r.columns(["auc"]))) is not None}
    metrics = {"auc": "AUC", "logloss": "LogLoss"}
    if (ranked := headline_of([*results[-1].scores.get("serving", ())])) is not None:
        metrics[ranked] = title_of(ranked)
    count = len(metrics) + bool(lifts)
    figure = Plot(figsize=(9, 2 + 2 * count), layout="constrained")
    figure.suptitle(mathtext(title))
    panels: list[Axes] = list(figure.subplots(count, 1, sharex=True))
    for axis, (metric, label) in zip(panels, metrics.items(), strict=False):
        for model in models:
            _draw_model(axis, results, model, metric)
        if metric == ranked:
            _draw_baselines(axis, results, metric)
        axis.set_ylabel(label)
    _level(panels[0], CHANCE)
    if lifts:
        _draw_lift(panels[-1], lifts)
    tested = [r.period for r in results if r.split == "test"]
    for axis in panels:
        if tested:
            axis.axvspan(tested[0] - 0.5, tested[-1] + 0.5, color="0.93", zorder=0, label="test periods")
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False, loc="best")
    panels[-1].set_xlabel("period, scored before anything was trained on it")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _draw_model(axis: Axes, results: Sequence[PeriodResult], model: str, metric: str) -> None:
    """Draw a model's line, and crosses on the axis where it has diverged."""
    points = [(r.period, r.scores[model][metric]) for r in results if metric in r.scores.get(model, ())]
    if not points:  # of a blend, which ranks nothing
        return
    (line,) = axis.plot(*zip(*points, strict=True), marker="o", markersize=3.5, label=mathtext(model))
    diverged = [r.period for r in results if model in r.diverged]
    if diverged:
        at_bottom: dict[str, Any] = {"transform": axis.get_xaxis_transform(), "clip_on": False}
        cross: dict[str, Any] = {"marker": "x", "linestyle": "none", "color": line.get_color()}
        axis.plot(diverged, [0.0] * len(diverged), **cross, **at_bottom, label=f"{mathtext(model)}: diverged")


def _draw_baselines(axis: Axes, results: Sequence[PeriodResult], metric: str) -> None:
    """Draw the baselines' lines."""
    for name, style in zip(BASELINES, (("--", "0.3"), (":", "0.3")), strict=True):
        points = [(r.period, r.ranking[name][metric]) for r in results if metric in r.ranking.get(name, ())]
        axis.plot(*zip(*points, strict=True), linestyle=style[0], color=style[1], label=name.replace("_", " "))
    axis.legend(frameon=False, loc="best")


def _draw_lift(axis: Axes, lifts: Mapping[int, float]) -> None:
    """Draw how much better the serving model is than the incremental one, a bar for each period."""
    colours = ["tab:red" if found < 0 else "tab:green" for found in lifts.values()]
    axis.bar([*lifts], [*lifts.values()], color=colours, width=0.7)
    axis.set_ylabel("lift: AUC of serving\nless that of incremental")
    _level(axis, 0.0)


def _level(axis: Axes, height: float) -> None:
    """Draw a thin line across a panel."""
    axis.axhline(height, color="0.4", linewidth=0.8, linestyle="--", label="_level")
