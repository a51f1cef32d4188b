"""Reads a user's files into the rows of a stream: checked against each other and the stream, and sorted by time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from asmg_pl.convert.checks import Given, as_in_stream, check_ids, check_times, in_types_of_stream
from asmg_pl.convert.described import described, opened
from asmg_pl.convert.repeated import Repeated, without_known, without_shared, without_taken
from asmg_pl.convert.settings import Settings
from asmg_pl.convert.sides import Side
from asmg_pl.convert.views import labelled, left_out_by_where
from asmg_pl.data.schema import by_time
from asmg_pl.data.tables.files import TableFile
from asmg_pl.data.tables.late import MARKS, Late, Treatment
from asmg_pl.data.tables.quarantine import FILE as QUARANTINE
from asmg_pl.data.tables.quarantine import Quarantine
from asmg_pl.data.tables.rows import read_rows
from asmg_pl.data.tables.times import UNITS
from asmg_pl.errors import NothingNewError

_SHOWN = 5


@dataclass(frozen=True)
class Found:
    """The content of files, as it enters a stream.

    Attributes:
        rows: the rows by time, with the columns of :meth:`~asmg_pl.data.stream.StreamWriter.append`.
        categories: the rows of the catalogue, with a column ``item``, and ``categories`` if there are any.
        sides: the features of users and of items, which the rows are still to be given.
        late: the rows that enter late, with their own ``time`` and the time when they ``entered``.
        left_out: the number of rows of other days.
        filtered: the number of rows that do not fulfil the conditions.
        never: the positive kinds of events that no row has.
        repeated: the number of repeated rows that were left out.
        passed_over: the number of files that were left out as a whole.
        dropped: the number of late rows that were left out, and are listed nowhere.
        not_compared: the number of late rows that are too old to tell whether the stream has them.
    """

    rows: pl.DataFrame
    categories: pl.DataFrame
    sides: tuple[Side, ...]
    late: pl.DataFrame
    left_out: int
    filtered: int
    never: tuple[str, ...]
    repeated: int
    passed_over: int
    dropped: int
    not_compared: int


def read(
    files: Sequence[str | Path],
    items: str | Path | None,
    users: str | Path | None,
    settings: Settings,
    quarantine: Quarantine,
    days: pl.Expr | None,
    stream: Path,
    late: Treatment,
    repeated: Repeated,
    taken: Mapping[Path, str],
) -> Found:
    """Read the rows and the catalogue; the arguments are those of :func:`asmg_pl.convert.convert`.

    Args:
        files: the files of interactions.
        items: the file of the items' categories and features.
        users: the file of the users' features.
        settings: the meaning of the rows.
        quarantine: takes malformed rows.
        days: which rows to keep, by their column ``time``; by default all.
        stream: the folder of the stream to which rows are added; there may be no stream yet.
        late: the treatment of rows that are earlier than the stream's end.
        repeated: the treatment of rows that the stream or another file has already.
        taken: the earlier names of the files that the stream has taken before, by path.

    Raises:
        DataError: if a file is missing or damaged, a column is missing or of another kind, too many rows are malformed,
            or ids or times contradict each other or the stream.
        NothingNewError: if there is no row, or all rows are late or repeated.
    """
    source = described(opened(files, settings), items, users, settings, stream)
    given_tables, columns, ended = source.tables, source.columns, source.ended
    catalogue, item_columns = source.catalogue, source.item_columns
    people, user_columns = source.people, source.user_columns
    tables = without_taken(given_tables, columns, taken, stream, repeated)
    if not tables:
        raise NothingNewError(
            f"no row to convert: the stream in {stream} has taken all {len(given_tables):,} files before"
        )
    second = pl.col("time") // UNITS[settings.read_unit][0]
    rule = None if ended is None else Late(ended, second)
    rows, left_out = read_rows(tables, columns, quarantine, days, rule, file="file")
    filtered = left_out_by_where(tables)
    rows, never = labelled(rows, settings.positive)
    if rule is not None and late == "refuse" and quarantine.count > quarantine.limit:
        _treated(rows.filter(pl.col("line").is_not_null()), rule, late, tables, quarantine)  # one message names all
    quarantine.check()
    if rows.is_empty():
        raise no_row(left_out, filtered, [table.path for table in tables])
    rows = rows.with_columns(settings.nobody.values())
    categories, _ = read_rows(catalogue, item_columns, quarantine)
    persons, _ = read_rows(people, user_columns, quarantine)
    quarantine.check()
    sides = (
        Side.of("user", persons, user_columns, second) if people else None,
        Side.of("item", categories, item_columns, second) if catalogue else None,
    )

    read_in, paths = len(rows), [table.path for table in tables]
    given = Given(tables, columns, catalogue, item_columns, None if ended is None else stream)
    rows = by_time(without_shared(rows, paths, repeated))
    is_late = pl.col("line").is_not_null() if ended is not None else pl.lit(False)
    enters = pl.lit(True) if late == "next" else ~is_late
    entering = rows.filter(enters)
    if not settings.any_time and len(entering):
        check_times(entering, settings.read_unit, given)
    entering = as_in_stream(entering, given)
    if settings.ids != "as-written":
        check_ids(entering, categories, given)
    not_compared, dropped, entered = 0, 0, rows.clear()
    if rule is not None:
        left = in_types_of_stream(rows.filter(~enters), given)
        rows = pl.concat([left, entering], how="vertical_relaxed").with_columns(time=second)
        rows, older = without_known(rows, stream, paths, repeated)
        not_compared = older if late == "next" else 0
        repeats = read_in - len(rows)
        entered, dropped = _treated(rows.filter(is_late), rule, late, tables, quarantine)
        quarantine.check()
        rows = rows.filter(enters).with_columns(pl.col("time").clip(rule.end))
        if rows.is_empty():
            raise nothing_new(stream, read_in, repeats, late)
        rows = rows.drop(MARKS)
    else:
        rows, repeats = entering.with_columns(time=second), read_in - len(entering)
    return Found(
        rows=rows.drop("file"),
        categories=categories,
        sides=tuple(side for side in sides if side is not None),
        late=entered,
        left_out=left_out,
        filtered=filtered,
        never=never,
        repeated=repeats,
        passed_over=len(given_tables) - len(tables),
        dropped=dropped,
        not_compared=not_compared,
    )


def _treated(
    rows: pl.DataFrame, rule: Late, late: Treatment, tables: Sequence[TableFile], quarantine: Quarantine
) -> tuple[pl.DataFrame, int]:
    """Treat late rows: the rows that enter, with their own time and the time when they do, and how many are dropped."""
    nobody = rows.clear().with_columns(entered="time")
    if late == "next":
        return rows.drop("file", *MARKS).with_columns(entered=pl.lit(rule.end, pl.Int64)), 0
    if late == "drop":
        return nobody, len(rows)
    for number, of_file in rows.partition_by("file", as_dict=True, maintain_order=True).items():
        listed = of_file.sort("line").select("line", "text", reason=pl.lit(rule.reason))
        quarantine.add_late(tables[number[0]].path, listed, late == "quarantine")
    return nobody, 0


def no_row(left_out: int, filtered: int, files: Sequence[Path]) -> NothingNewError:
    """The error about files without a row that is taken.

    Args:
        left_out: the number of rows of other days.
        filtered: the number of rows that do not fulfil the conditions.
        files: the files.
    """
    names = ", ".join(map(str, files[:_SHOWN])) + (f" and {len(files) - _SHOWN:,} more" * (len(files) > _SHOWN))
    why = (
        f"all {left_out:,} rows lie outside of --start and --end" if left_out else f"these files have no rows: {names}"
    )
    if filtered:
        why = f"--where leaves out {filtered:,} rows" + (f", and --start and --end {left_out:,}" if left_out else "")
    return NothingNewError(f"no row to convert: {why}")


def nothing_new(stream: Path, rows: int, repeated: int, late: Treatment) -> NothingNewError:
    """The error about rows of which none is new.

    Args:
        stream: the folder of the stream.
        rows: the number of rows.
        repeated: the number of those that are repeated; the others are late.
        late: the treatment of late rows.
    """
    more = f", and it has {repeated:,} more already" if repeated else ""
    why = f"{rows - repeated:,} rows are earlier than the end of the stream in {stream}{more}"
    why += f". {QUARANTINE} gets rows along with others alone: keep the file" * (late == "quarantine")
    if repeated == rows:
        why = f"the stream in {stream} has all {rows:,} already"
    return NothingNewError(f"no row to convert: {why}")
