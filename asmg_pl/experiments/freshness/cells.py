"""The cells of the measurement: a model, a period, and its scores there.

    period       11  12  13  14  15  16          1, 2, 3: the age of the model in that period
    model of 10   1   2   3                      0, -1: it was trained on the period, so that the score is `seen`
    model of 11   0   1   2   3
    model of 12  -1   0   1   2   3
                         └─ the same periods for all ages: those that models of all ages have scored

Cells are kept in the run folder as soon as a model has been scored, so that an interrupted measurement goes on.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import polars as pl

from asmg_pl.errors import DataError
from asmg_pl.experiments.run_files import table_of
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.system.files import written_whole

#: The file in the run folder.
CELLS = "freshness-cells.csv"

#: The columns of the file.
KINDS: dict[str, type] = {
    **{"after_period": int, "period": int, "split": str, "content": str, "interactions": int},
    **{"rows": int, "positives": int, "auc": float, "logloss": float, "diverged": int},
}


class Cell(NamedTuple):
    """A model and a period that it scores.

    Attributes:
        after: the period after which the model served.
        period: the scored period.

    Examples:
        >>> Cell(after=10, period=12).age, Cell(after=12, period=12).seen
        (2, True)
    """

    after: int
    period: int

    @property
    def age(self) -> int:
        """How many periods lie between; 1 as in a walk, 0 or less if the model was trained on the period."""
        return self.period - self.after

    @property
    def seen(self) -> bool:
        """Whether the model was trained on the period."""
        return self.age <= 0


def plan(models: Collection[int], oldest: int, scorable: Collection[int]) -> list[Cell]:
    """The cells that the measurement needs, model by model.

    Ages are compared on the same periods. So a period takes part only if models of all ages are there to score it:
    ages 1 to ``oldest``, and, apart from these, ages 0 to 1 - ``oldest``.

    Args:
        models: the periods after which a model was kept.
        oldest: the largest age.
        scorable: periods that have rows, and on which scores are prequential.

    Examples:
        >>> [(cell.after, cell.age) for cell in plan(models=[10, 11, 12], oldest=2, scorable=range(12, 14))]
        [(10, 2), (11, 1), (11, 2), (12, 1)]
    """
    there = set(models)
    later = [[Cell(period - age, period) for age in range(1, oldest + 1)] for period in scorable]
    earlier = [[Cell(period + back, period) for back in range(oldest)] for period in scorable]
    whole = (cells for cells in (*later, *earlier) if all(cell.after in there for cell in cells))
    return sorted(cell for cells in whole for cell in cells)


class CellFile:
    """The scored cells of a run, in its folder."""

    def __init__(self, folder: Path) -> None:
        """Read what an earlier measurement has scored.

        Args:
            folder: the run folder.

        Raises:
            DataError: if the file is damaged.
        """
        self.path = folder / CELLS
        self._rows: dict[Cell, dict[str, object]] = {}
        if self.path.exists():
            try:
                for row in table_of(self.path, KINDS).iter_rows(named=True):
                    self._rows[Cell(row["after_period"], row["period"])] = row
            except DataError as error:
                raise DataError(f"{error}: remove the file, and its scores are made anew") from None

    def missing(self, cells: Iterable[Cell], content: str, interactions: Mapping[int, int]) -> list[Cell]:
        """The cells of a model that have not been scored yet, or were scored by another model or on other rows.

        Args:
            cells: of one model.
            content: of the model, see :func:`~asmg_pl.experiments.freshness.kept.content_of`.
            interactions: the number of the stream's rows in each period.
        """
        known = {cell: (row["content"], row["interactions"]) for cell, row in self._rows.items()}
        return [cell for cell in cells if known.get(cell) != (content, interactions[cell.period])]

    def add(self, cell: Cell, content: str, interactions: int, result: PeriodResult) -> None:
        """Add a scored cell; :meth:`write` puts it into the file."""
        scores = result.scores["serving"]
        self._rows[cell] = {
            "after_period": cell.after,
            "period": cell.period,
            "split": result.split,
            "content": content,
            "interactions": interactions,
            "rows": result.rows,
            "positives": result.positives,
            "auc": _defined(scores["auc"]),
            "logloss": _defined(scores["logloss"]),
            "diverged": result.diverged.get("serving", 0),
        }

    def write(self) -> None:
        """Write all cells in one step."""
        rows = [self._rows[cell] | {"age": cell.age} for cell in sorted(self._rows)]
        with written_whole(self.path) as partial:
            pl.DataFrame(rows, infer_schema_length=None).write_csv(partial)

    def table(self, cells: Iterable[Cell]) -> pl.DataFrame:
        """Some scored cells as columns ``period``, ``age``, ``split``, ``rows``, ``auc``, ``logloss``, ``diverged``.

        A score that the rows do not define is null.
        """
        names = ("split", "rows", "auc", "logloss", "diverged")
        schema = {"period": pl.Int64, "age": pl.Int64, "split": pl.String, "rows": pl.Int64}
        schema |= {"auc": pl.Float64, "logloss": pl.Float64, "diverged": pl.Int64}
        rows = [{"period": c.period, "age": c.age, **{n: self._rows[c][n] for n in names}} for c in cells]
        return pl.DataFrame(rows, schema=schema)


def _defined(score: float) -> float | None:
    return None if math.isnan(score) else score
