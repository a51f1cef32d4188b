"""Where rows go that are none: counted, listed with file, line and reason, and never more than the user allows."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from asmg_pl.errors import DataError

FILE = "quarantine.csv"
_SHOWN = 5


class Quarantine:
    """Malformed rows.

    Attributes:
        count: how many there are.
        late: how many of them are only too late, see :class:`~asmg_pl.data.tables.late.Late`.
        dropped: how many late rows there are beside these, which may be any number.
        limit: how many there may be.
    """

    def __init__(self, limit: int | None = None) -> None:
        """Start empty; ``limit`` rows are accepted, or none, where the user cannot choose."""
        self.count = 0
        self.late = 0
        self.dropped = 0
        self.limit = limit or 0
        self._chosen = limit is not None
        self._rows: list[pl.DataFrame] = []
        self._dropped: list[pl.DataFrame] = []

    def add(self, file: Path, rows: pl.DataFrame) -> None:
        """Take rows with columns ``line``, ``reason`` and ``text``."""
        if rows.is_empty():
            return
        room = self.limit + _SHOWN - self.count  # more than that ends in an error, which shows a few
        self.count += len(rows)
        self._rows.append(_listed(file, rows.head(max(0, room))))

    def add_late(self, file: Path, rows: pl.DataFrame, drop: bool) -> None:
        """Take rows that are too late: as malformed ones, or beside these."""
        if drop:
            self.dropped += len(rows)
            self._dropped.append(_listed(file, rows))
        else:
            self.late += len(rows)
            self.add(file, rows)

    def check(self) -> None:
        """Raise if there are more than allowed.

        Raises:
            DataError: it shows the first ones.
        """
        if self.count <= self.limit:
            return
        first = pl.concat(self._rows).head(_SHOWN)
        shown = [
            f"{file}:{line}: {reason}{self._mend(reason)} (row: {_quote(text)})"
            for file, line, reason, text in first.rows()
        ]
        more = [f"… and {self.count - len(shown):,} more"] if self.count > len(shown) else []
        rows = f"{self.count:,} malformed row{'s' * (self.count != 1)}"
        if not self._chosen:
            them = "it" if self.count == 1 else "them"
            raise DataError("\n".join([f"{rows}: mend {them}, or fetch the file again", *shown, *more]))
        raise DataError(
            "\n".join([f"{rows}, {self.limit:,} accepted: nothing was written", *shown, *more])
            + f"\nmend them, or leave them out with --max-bad-rows {self.count}: the stream's {FILE} then lists them"
            + self._about_late_rows()
        )

    def _mend(self, reason: str) -> str:
        """What to give where the files may be read otherwise."""
        stray = self._chosen and reason.endswith("stands where no field begins or ends")
        return ": give --quote none if quotes are text here" if stray else ""

    def _about_late_rows(self) -> str:
        if not self.late:
            return ""
        which = "they are" if self.late == self.count else f"{self.late:,} of them are"
        return (
            f"\n{which} earlier than the stream's end: append rows in the order of time, leave out just these, however "
            "many, with --late drop, or convert all tables together, into a new stream, to have them in it"
        )

    def listed(self) -> bytes:
        """All rows as a table of CSV with the columns ``file``, ``line``, ``reason`` and ``text``; empty if none."""
        rows = [*self._rows, *self._dropped]
        return pl.concat(rows).write_csv().encode() if rows else b""


def _listed(file: Path, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.lit(str(file)).alias("file"), pl.col("line").cast(pl.Int64), "reason", "text")


def _quote(text: str, longest: int = 100) -> str:
    return repr(text if len(text) <= longest else text[:longest] + "…")
