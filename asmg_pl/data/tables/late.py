"""Rows that come too late: they are earlier than the end of the stream to which they are to be added."""

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
    """What is late, and what becomes of it.

    Attributes:
        end: the stream's end, seconds since 1970.
        second: a row's time in seconds, from its column ``time``.
        drop: whether late rows are left out however many they are; else they count as malformed.
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
        """The rows of a block that are not late; those that are go to the quarantine.

        Args:
            rows: the sound rows that are kept.
            table: where they stand.
            records: the block, as :meth:`~asmg_pl.data.tables.files.TableFile.read` yields it.
            columns: what was read of it.
            keep: which sound rows are kept; all by default.
            quarantine: takes the late ones.
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
    """A time, as a message shows it."""
    try:
        return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError):
        return f"second {second}"
