"""Checks of all rows together: spellings of ids, missing ids, and times far from all others."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from asmg_pl.data.stream import read_names
from asmg_pl.data.tables.columns import Column
from asmg_pl.data.tables.files import TableFile
from asmg_pl.data.tables.rows import first_place
from asmg_pl.data.tables.spelling import BOOLEANS, Twofold, doubtful, twofold, unified
from asmg_pl.data.tables.times import UNITS, Outliers, TimeUnit, outliers
from asmg_pl.errors import DataError


@dataclass(frozen=True)
class Given:
    """The files and the stream that rows come from, so that a message can name the line.

    Attributes:
        tables: the files of interactions.
        columns: the columns that are read from them.
        catalogue: the file of the items' categories; empty if there is none.
        item_columns: the columns that are read from it.
        stream: the folder of the stream to which rows are added; ``None`` for a new stream.
    """

    tables: Sequence[TableFile]
    columns: Sequence[Column]
    catalogue: Sequence[TableFile]
    item_columns: Sequence[Column]
    stream: Path | None
    _known: dict[str, pl.Series] = field(default_factory=dict)

    def known(self, role: str) -> pl.Series | None:
        """The stream's names of users, items, or values of a context feature; ``None`` if there is no stream."""
        if self.stream is None:
            return None
        if role not in self._known:
            context = [column.role for column in self.columns if column.role.startswith("context ")]
            file = f"context-{context.index(role)}" if role in context else f"{role}s"
            self._known[role] = read_names(self.stream, file)
        return self._known[role]

    def first(self, role: str, condition: pl.Expr) -> str | None:
        """The place of the first row whose value fulfils a condition; ``None`` if there is none."""
        return first_place(self.tables, self.columns, role, condition)

    @property
    def in_stream(self) -> str:
        """The place of an id that is in no file but in the stream, for a message."""
        return f"the stream in {self.stream}"

    def place(self, role: str, text: str) -> str:
        """The first place of an id, for a message."""
        same = pl.col(role).cast(pl.String) == text
        place = self.first(role, same)
        if place is None and role == "item" and self.catalogue:
            place = first_place(self.catalogue, self.item_columns, role, same)
        return place or self.in_stream


def check_times(rows: pl.DataFrame, unit: TimeUnit, given: Given) -> None:
    """Refuse a few times that are far from all others.

    Args:
        rows: the rows in ascending order of ``time``, which has this unit.
        unit: the unit of the times.
        given: where the rows come from.

    Raises:
        DataError: if there are such times; the message names the first row.
    """
    found = outliers(rows["time"], unit)
    if found is not None:
        raise far_times(found, len(rows), unit, given)


def far_times(found: Outliers, rows: int, unit: TimeUnit, given: Given) -> DataError:
    """The error about times that are far from all others.

    Args:
        found: these times.
        rows: the number of all rows.
        unit: the unit of the times.
        given: where the rows come from.
    """
    scale = UNITS[unit][0]
    first, last = (str(pl.from_epoch(pl.Series([time // scale]), "s")[0]) for time in (found.first, found.last))
    place = given.first("time", pl.col("time").is_between(found.first, found.last))
    return DataError(
        f"{found.rows:,} of {rows:,} rows are {found.days:,} days away from all others, from {first} to {last} "
        f"UTC (the first in the files at {place}): mend these times, leave the rows out with --start or --end, or give "
        "--any-time if they are meant"
    )


def check_ids(rows: pl.DataFrame, categories: pl.DataFrame, given: Given) -> None:
    """Refuse ids with two spellings, and ids that look like a missing value.

    Args:
        rows: a column for each role. Ids are Int64 if all of a column are whole numbers, and otherwise String.
        categories: the items of the catalogue, in a column ``item``.
        given: where the rows come from.

    Raises:
        DataError: if there are such ids. The message names both spellings with file and line, or the missing value with
            its share of the rows.
    """
    for column in given.columns:
        values, feature = rows[column.role], column.role.startswith("context ")
        if column.is_id and values.dtype.is_integer() and values.min() == -1:  # the only negative id
            raise missing_ids(column, ("-1", int((values == -1).sum())), len(rows), given)
        if values.dtype != pl.String or not (column.is_id or feature):
            continue
        if column.is_id and (found := doubtful(values)):
            raise missing_ids(column, found, len(rows), given)
        if twice := twofold(values, given.known(column.role), feature):
            raise two_spellings(column, twice, given)
    items = rows["item"]
    if "item" in categories.columns and pl.String in (items.dtype, categories["item"].dtype):
        known = [
            series.cast(pl.String).alias("item")
            for series in (items.unique(), given.known("item"))
            if series is not None
        ]
        if twice := twofold(categories["item"].cast(pl.String), pl.concat(known)):
            (column,) = (column for column in given.item_columns if column.is_id)
            raise two_spellings(column, twice, given)


def as_in_stream(rows: pl.DataFrame, given: Given) -> pl.DataFrame:
    """Give ids the types that they have in the stream, and write true and false as the stream has them.

    Raises:
        DataError: if these rows have text where the stream has numbers.
    """
    for column in given.columns:
        known = given.known(column.role) if column.is_id or column.role.startswith("context ") else None
        if known is None:
            continue
        if known.dtype.is_integer() and rows[column.role].dtype == pl.String:
            number = rows[column.role].cast(pl.Int64, strict=False)
            if number.null_count() or (number.cast(pl.String) != rows[column.role]).any():
                raise no_numbers(column, rows[column.role], given)
            rows = rows.with_columns(number)
        if known.dtype == pl.String:
            # Streams of an earlier version have these words of context features as they were written.
            words = {} if column.is_id else {BOOLEANS[word]: word for word in known if word in BOOLEANS}
            rows = rows.with_columns(pl.col(column.role).cast(pl.String).replace(words))
    return rows


def in_types_of_stream(rows: pl.DataFrame, given: Given) -> pl.DataFrame:
    """Give ids the types that they have in the stream, where they can have them; other ids become null.

    Such rows enter no stream. They are only compared with its rows.
    """
    roles = [column.role for column in given.columns if column.is_id or column.role.startswith("context ")]
    known = {role: given.known(role) for role in roles}
    return rows.with_columns(
        pl.col(role).cast(names.dtype, strict=False) for role, names in known.items() if names is not None
    )


def no_numbers(column: Column, ids: pl.Series, given: Given) -> DataError:
    """The error about ids that are no whole numbers where the stream has whole numbers; the first of them is shown."""
    number = ids.cast(pl.Int64, strict=False)
    odd = ids.filter(number.is_null())
    shown = _quoted(odd[0]) if len(odd) else "numbers with a sign or zeros before them"
    first = odd[0] if len(odd) else ids.filter(ids != number.cast(pl.String))[0]
    unify = ", give --ids unified if such spellings are the same ids" if _is_spelled_oddly(first) else ""
    return DataError(
        f"all {column.role} ids of the stream in {given.stream} are whole numbers, but these rows have {shown} "
        f"({_quoted(first)} at {given.place(column.role, first)}): mend them{unify}, or convert all files together "
        "into a new stream"
    )


def two_spellings(column: Column, twice: Twofold, given: Given) -> DataError:
    """The error about an id with two spellings."""
    places = {text: given.place(column.role, text) for text in (twice.one, twice.other)}
    first, other = (f"{_quoted(text)} ({place})" for text, place in places.items())
    what = f"the same {column.role}" if column.is_id else "the same value"
    mend = "give --ids unified if they are, or --ids as-written if they are not"
    if "" in places:
        mend = (
            f"give --missing {shlex.quote(twice.one or twice.other)} if they are, or --ids as-written if they are not"
        )
    elif any(place == given.in_stream and _is_spelled_oddly(text) for text, place in places.items()):
        mend = "write them as in the stream, or convert all files together into a new stream with --ids unified"
    more = f"; {twice.ids:,} are spelled in two ways" if twice.ids > 1 else ""
    return DataError(
        f"column {column.name!r} ({column.option}): are {first} and {other} {what}{more}? Mend the files, or {mend}"
    )


def missing_ids(column: Column, found: tuple[str, int], rows: int, given: Given) -> DataError:
    """The error about an id that looks like a missing value; ``found`` has it and its number of rows."""
    text, count = found
    return DataError(
        f"column {column.name!r} ({column.option}): {count:,} of {rows:,} rows ({count / rows:.1%}) have the "
        f"{column.role} {_quoted(text)} (the first at {given.place(column.role, text)}), which usually stands for a "
        f"missing value: give --missing {shlex.quote(text)} if it does (rows without a {column.role} are malformed, "
        f"see --max-bad-rows), or --ids as-written if it is a {column.role}"
    )


def _is_spelled_oddly(text: str) -> bool:
    """Whether a text is not the common spelling of its number or text."""
    return bool(pl.Series([text]).to_frame("id").select(unified(pl.col("id")) != pl.col("id")).item())


def _quoted(text: str) -> str:
    """Quote a text for a message, with its blanks; a backslash stays as it is typed."""
    return repr(text).replace("\\\\", "\\")
