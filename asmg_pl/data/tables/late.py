"""Late rows: rows of an append that are earlier than the end of the stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from asmg_pl.data.tables.columns import Column
from asmg_pl.data.tables.files import TableFile
from asmg_pl.data.tables.quarantine import Quarantine


@dataclass(frozen=True)
class Late:
    """The rule for late rows.

    Attributes:
        end: the stream's end, seconds since 1970.
        second: an expression that turns the column ``time`` into seconds.
        drop: whether any number of late rows is left out; otherwise they count as malformed.
    """

    end: int
    second: pl.Expr
    drop: bool

    def leave_out(
        self,
        rows: pl.DataFrame,
        table: TableFile,
        records: pl.LazyFrame,
        columns: Sequence[Column],
        keep: pl.Expr | None,
        quarantine: Quarantine,
    ) -> pl.DataFrame:
        """Move late rows of a block to the quarantine, and return the others.

        Args:
            rows: the sound rows that are kept.
            table: the file that has the rows.
            records: the block, as :meth:`~asmg_pl.data.tables.files.TableFile.read` yields it.
            columns: the columns that were read.
            keep: which sound rows are kept; by default all.
            quarantine: takes the late rows.
        """
        late = self.second < self.end
        if not rows.select(late.any()).item():
            return rows
        values = {column.role: column.parse(pl.col(column.role)) for column in columns}
        found = records.select("line", "text", **values).drop_nulls(list(values)).filter(late)
        found = found if keep is None else found.filter(keep)
        reason = f"its time is earlier than the stream's end, {utc(self.end)}"
        quarantine.add_late(table.path, found.select("line", "text", reason=pl.lit(reason)).collect(), self.drop)
        return rows.filter(~late)


def utc(second: int) -> str:
    """Format a time for a message."""
    try:
        return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError):
        return f"second {second}"
