"""The table of periods on the screen: a row each, as wide as the screen at most.

                                 incremental       serving
    period     split      rows     auc logloss     auc logloss    lift  seconds
        25      test       400  0.5291  0.6980  0.6402  0.6650 +0.1111     0.41

Where the screen is too narrow for all models and metrics, the table shows those that fit and says which it leaves out;
``metrics.csv`` has all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from asmg_pl.metrics.results import HEADLINE, PeriodResult, lift
from asmg_pl.system.escaping import terminal
from asmg_pl.system.screen import styled

#: The models that are shown before all others.
FIRST = ("serving", "incremental")

#: Characters of a score: its digits and its sign.
_SCORE = 6

#: Most characters of a model's name above one column of scores.
_NAME = 11


class PeriodTable:
    """The layout of a table, chosen once for all its rows."""

    def __init__(self, models: Sequence[str], width: int, seconds: bool, metrics: Sequence[str] = HEADLINE) -> None:
        """Choose the columns.

        Args:
            models: the names of the models that are scored.
            width: characters of a row at most, if there is any choice.
            seconds: whether the table has a column of seconds.
            metrics: what is shown of each model, the most important first.
        """
        self.seconds = seconds
        self._metrics = metrics
        self._room = width
        self.lift = set(FIRST) <= set(models)
        self.models, self.metrics = next(
            (layout for layout in _layouts(models, metrics) if self._width(*layout) <= width),
            ([*models][:1], metrics[:1]),
        )
        self._models = models
        self._served: str | None = None  # what the row above says

    @property
    def left_out(self) -> str | None:
        """A sentence that names the models and metrics for which there is no room; ``None`` if all are shown."""
        missing = [terminal(model) for model in self._models if model not in self.models]
        missing += [metric for metric in self._metrics if metric not in self.metrics]
        return f"no room here for {', '.join(missing)}: see metrics.csv" if missing else None

    def header(self) -> list[str]:
        """The two lines above the rows: models, and the titles of the columns."""
        names = "".join(f"  {_cut(terminal(model), size):^{size}}" for model, size in self._sizes().items())
        titles = f"{'period':>6} {'split':>9} {'rows':>9}"
        for size in self._sizes().values():
            cells = " ".join(f"{metric:>{_cell(metric)}}" for metric in self.metrics)
            titles += f"  {cells:>{size}}"
        titles += f" {'lift':>7}" * self.lift + f" {'seconds':>8}" * self.seconds
        return [styled(line, "bold") for line in (f"{'':26}{names}".rstrip(), titles)]

    def row(self, result: PeriodResult, seconds: float | None = None) -> str:
        """A period's row; the models that have diverged stand at its end, or below it.

        Where a guard has chosen another model than for the row above, a line before the row says so.

        Args:
            result: its scores.
            seconds: of its training.
        """
        row = self._row(str(result.period), result.split, f"{result.rows:,}", result.columns(self._metrics), seconds)
        if result.served != self._served:
            before, self._served = self._served, result.served
            if before is not None or result.served != "incremental":
                row = (
                    f"{'':5}  {terminal(result.served or '')} serves from here on: {terminal(result.why or '')}\n{row}"
                )
        if not result.diverged:
            return row
        note = f"  diverged: {', '.join(map(terminal, result.diverged))}"
        fits = self._width(self.models, self.metrics) + len(note) <= self._room
        return row + ("" if fits else f"\n{'':5}") + note

    def mean(self, split: str, means: Mapping[str, float]) -> str:
        """The row of the means over the periods of a split.

        Args:
            split: its name.
            means: by model and metric, as :func:`asmg_pl.metrics.results.mean_over` gives them.
        """
        return self._row("mean", split, "", means, None)

    def _row(self, period: str, split: str, rows: str, scores: Mapping[str, float], seconds: float | None) -> str:
        line = f"{period:>6} {split:>9} {rows:>9}"
        for model, size in self._sizes().items():
            found = [scores.get(f"{model}_{metric}") for metric in self.metrics]
            cells = [
                " " * _cell(metric) if value is None else f"{value:>{_cell(metric)}.4f}"
                for metric, value in zip(self.metrics, found, strict=True)
            ]
            line += f"  {' '.join(cells):>{size}}"
        if self.lift:
            line += " " + _signed(lift(scores))
        return line + (f" {seconds:>8.2f}" if self.seconds and seconds is not None else "")

    def _sizes(self) -> dict[str, int]:
        return {model: _size(model, self.metrics) for model in self.models}

    def _width(self, models: Sequence[str], metrics: Sequence[str]) -> int:
        scores = sum(2 + _size(model, metrics) for model in models)
        return 26 + scores + 8 * self.lift + 9 * self.seconds


def _layouts(models: Sequence[str], metrics: Sequence[str]) -> Iterator[tuple[list[str], Sequence[str]]]:
    """Models and metrics that may be shown, the most first: metrics are left out before models."""
    important = sorted(models, key=lambda model: model not in FIRST)
    for count in range(len(models), 0, -1):
        kept = [model for model in models if model in important[:count]]
        for shown in range(len(metrics), 0, -1):
            yield kept, metrics[:shown]


def _size(model: str, metrics: Sequence[str]) -> int:
    """Characters of a model's scores, without the blanks before them."""
    return max(sum(map(_cell, metrics)) + len(metrics) - 1, min(len(terminal(model)), _NAME))


def _cell(metric: str) -> int:
    return max(_SCORE, len(metric))


def _signed(difference: float | None) -> str:
    """A difference, green if it is better than nothing and red if it is worse."""
    if difference is None:
        return " " * 7
    text = f"{difference:>+7.4f}"
    if difference == 0 or math.isnan(difference):
        return text
    return styled(text, "green" if difference > 0 else "red")


def _cut(name: str, size: int) -> str:
    return name if len(name) <= size else name[: size - 1] + "…"
