"""A stream of clicks, and passes over periods as a phase reads them, for tests of what the data module reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from asmg_pl.data import EqualCounts, InteractionLog, PeriodDataModule, Reading
from asmg_pl.data.negatives import Fresh
from asmg_pl.data.sources import Source


class Clicks(Source):
    """Positives only: 60 rows of 5 users in 3 periods, items appearing one after the other."""

    def __init__(self, rows: int = 60) -> None:
        self.rows = rows

    def read(self, root: Path | None) -> InteractionLog:
        rows = pl.DataFrame({"user": [row % 5 for row in range(self.rows)], "time": range(self.rows)})
        return InteractionLog.from_frame(rows.with_columns(item=pl.col("time") // 3, label=1))


def reading(*periods: int, name: str = "update", **arguments: Any) -> Reading:
    """A reading that belongs to the newest of its periods."""
    return Reading(name, max(periods), periods, **arguments)


def clicks(**arguments: Any) -> PeriodDataModule:
    """The clicks in three periods of 20 rows, each row with two negatives."""
    defaults: dict[str, Any] = {"periods": EqualCounts(3), "batch_size": 6, "negatives": Fresh(2)}
    return PeriodDataModule(Clicks(), **defaults | arguments)
