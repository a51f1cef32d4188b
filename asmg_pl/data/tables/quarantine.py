"""Malformed rows that were set aside, with file, line and reason, up to the number that the user allows."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from asmg_pl.errors import DataError

FILE = "quarantine.csv"
_SHOWN = 5


class Quarantine:
    """A list of malformed rows, with file, line and reason.

    Attributes:
        count: the number of malformed rows.
        late: the number of malformed rows that are only late, see :class:`~asmg_pl.data.tables.late.Late`.
        set_aside: the number of late rows that the user wants here; they count for no limit.
        limit: the number of malformed rows that is accepted.
    """

    def __init__(self, limit: int | None = None) -> None:
        """Start empty. ``limit`` rows are accepted; ``None`` accepts none, where the user has no option to choose."""
        self.count = 0
        self.late = 0
        self.set_aside = 0
        self.limit = limit or 0
        self._chosen = limit is not None
        self._rows: list[pl.DataFrame] = []
        self._set_aside: list[pl.DataFrame] = []

    def add(self, file: Path, rows: pl.DataFrame, more: int = 0) -> None:
        """Take rows with columns ``line``, ``reason`` and ``text``, and count ``more`` rows that are not among them."""
        if rows.is_empty():
            return
        room = self.limit + _SHOWN - self.count  # beyond the limit there is an error, which shows a few rows
        self.count += len(rows) + more
        self._rows.append(_listed(file, rows.head(max(0, room))))

    def add_late(self, file: Path, rows: pl.DataFrame, wanted: bool, more: int = 0) -> None:
        """Take late rows, see :meth:`add`: as malformed rows, or as rows that the user wants here, however many."""
        if wanted:
            self.set_aside += len(rows)
            self._set_aside.append(_listed(file, rows))
        else:
            self.late += len(rows) + more
            self.add(file, rows, more)

    def check(self) -> None:
        """Raise an error if there are more malformed rows than allowed.

        Raises:
            DataError: if there are too many; the message shows the first ones.
        """
        if self.count <= self.limit:
            return
        first = pl.concat(self._rows).head(_SHOWN)
        shown = [
            f"{file}{'' if line is None else f':{line}'}: {reason}{self._mend(reason)} (row: {_quote(text)})"
            for file, line, reason, text in first.rows()
        ]
        more = [f"… and {self.count - len(shown):,} more"] if self.count > len(shown) else []
        rows = f"{self.count:,} malformed row{'s' * (self.count != 1)}"
        if not self._chosen:
            them = "it" if self.count == 1 else "them"
            raise DataError("\n".join([f"{rows}: mend {them}, or fetch the file again", *shown, *more]))
        raise DataError(
            "\n".join([f"{rows}, and --max-bad-rows accepts {self.limit:,}: nothing was written", *shown, *more])
            + f"\nmend them, or leave them out with --max-bad-rows {self.count}: the stream's {FILE} then lists them"
            + self._about_late_rows()
        )

    def _mend(self, reason: str) -> str:
        """The option to try for this reason, for a message."""
        stray = self._chosen and reason.endswith("stands where no field begins or ends")
        return ": give --quote none if quotes are text here" if stray else ""

    def _about_late_rows(self) -> str:
        if not self.late:
            return ""
        which = "they are" if self.late == self.count else f"{self.late:,} of them are"
        return (
            f"\n{which} earlier than the stream's end: append rows in the order of time, or say what becomes of just "
            f"these, however many: --late drop leaves them out, --late quarantine lists them in {FILE} too, and --late "
            "next takes them with the time of the stream's end. To have them at their own time, convert all files "
            "together, into a new stream"
        )

    def listed(self) -> bytes:
        """All rows as CSV with the columns ``file``, ``line``, ``reason`` and ``text``; empty if there are no rows."""
        return b"" if (rows := self.rows) is None else rows.write_csv().encode()

    @property
    def rows(self) -> pl.DataFrame | None:
        """The rows with the columns ``file``, ``line``, ``reason`` and ``text``; ``None`` if there are none."""
        rows = [*self._rows, *self._set_aside]
        return pl.concat(rows) if rows else None

    @property
    def longest(self) -> int:
        """The most rows that are kept."""
        return self.limit + _SHOWN


def _listed(file: Path, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.lit(str(file)).alias("file"), pl.col("line").cast(pl.Int64), "reason", "text")


def _quote(text: str, longest: int = 100) -> str:
    return repr(text if len(text) <= longest else text[:longest] + "…")
