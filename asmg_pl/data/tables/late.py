"""Late rows: rows of an append that are earlier than the end of the stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import polars as pl

from asmg_pl.data.tables.columns import Column

#: The treatment of late rows.
Treatment = Literal["refuse", "drop", "quarantine", "next"]

#: The columns that a marked row has beside its own: where it stands, and its text if it is late.
MARKS = ("line", "text")


@dataclass(frozen=True)
class Late:
    """The rule that tells late rows.

    Attributes:
        end: the stream's end, seconds since 1970.
        second: an expression that turns the column ``time`` into seconds.
    """

    end: int
    second: pl.Expr

    def mark(
        self, rows: pl.DataFrame, records: pl.LazyFrame, columns: Sequence[Column], keep: pl.Expr | None
    ) -> pl.DataFrame:
        """Add the columns ``line``, Int64, and ``text``, String, to the rows of a block; null for rows in time.

        Args:
            rows: the sound rows that are kept.
            records: the block, as :meth:`~asmg_pl.data.tables.files.TableFile.read` yields it.
            columns: the columns that were read.
            keep: which sound rows are kept; by default all.
        """
        late = self.second < self.end
        if not rows.select(late.any()).item():
            return rows.with_columns(line=pl.lit(None, pl.Int64), text=pl.lit(None, pl.String))
        values = {column.role: column.parse(pl.col(column.role)) for column in columns}
        found = records.select("line", "text", **values).drop_nulls(list(values))
        marked = (found if keep is None else found.filter(keep)).with_columns(pl.col("line").cast(pl.Int64))
        return marked.with_columns(pl.when(late).then(name) for name in MARKS).collect().select(*rows.columns, *MARKS)

    @property
    def reason(self) -> str:
        """Why a late row is set aside."""
        return f"its time is earlier than the stream's end, {utc(self.end)}"


def utc(second: int) -> str:
    """Format a time for a message."""
    try:
        return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError):
        return f"second {second}"
