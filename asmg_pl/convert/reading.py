"""Reads a user's files into the rows of a stream: checked against each other and the stream, and sorted by time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import polars as pl

from asmg_pl.convert.checks import Given, as_in_stream, check_ids, check_times
from asmg_pl.convert.repeated import Repeated, without_known, without_shared
from asmg_pl.convert.settings import Settings
from asmg_pl.data.stream.manifest import Manifest
from asmg_pl.data.tables.late import Late
from asmg_pl.data.tables.opening import open_tables
from asmg_pl.data.tables.quarantine import Quarantine
from asmg_pl.data.tables.rows import check_schema, read_rows
from asmg_pl.data.tables.times import UNITS
from asmg_pl.errors import DataError

_NO_HEADER = "name its columns with --columns NAME,NAME,…, one for each"
_NO_ITEM_HEADER = "put a line with the names of its columns before it"


def read(
    files: Sequence[str | Path],
    items: str | Path | None,
    settings: Settings,
    quarantine: Quarantine,
    days: pl.Expr | None,
    stream: Path,
    late: Literal["refuse", "drop"],
    repeated: Repeated,
) -> tuple[pl.DataFrame, pl.DataFrame, int, int]:
    """Read the rows and the catalogue; the arguments are those of :func:`asmg_pl.convert.convert`.

    Args:
        files: the files of interactions.
        items: the file of the items' categories.
        settings: the meaning of the rows.
        quarantine: takes malformed rows.
        days: which rows to keep, by their column ``time``; by default all.
        stream: the folder of the stream to which rows are added; there may be no stream yet.
        late: the treatment of rows that are earlier than the stream's end.
        repeated: the treatment of rows that the stream or another file has already.

    Returns:
        The rows by time, with the columns of :meth:`~asmg_pl.data.stream.StreamWriter.append`; the rows of the
        catalogue; and the numbers of rows that were left out, rows of other days and repeated rows.

    Raises:
        DataError: if a file is missing or damaged, a column is missing or of another kind, too many rows are malformed,
            ids or times contradict each other or the stream, or there is no row.
    """
    ended = None
    if stream.exists():
        manifest = Manifest.read(stream)
        ended, had = manifest.parts[-1].last_time, list(manifest.context)
        if had != list(settings.context):
            raise DataError(
                f"the stream in {stream} has the context features {had}, these rows have {list(settings.context)}: "
                "name the stream's with --context, or convert all files together into a new stream"
            )
    plausible = settings.plausible()
    columns, item_columns = settings.row_columns(plausible), settings.item_columns()
    tables = open_tables(files, *settings.dialect, settings.columns)
    catalogue = open_tables([] if items is None else [items], *settings.dialect)
    kinds = [(tables, columns, _NO_HEADER), (catalogue, item_columns, _NO_ITEM_HEADER)]
    check_schema(kinds, settings.time_unit, plausible)
    second = pl.col("time") // UNITS[settings.time_unit][0]
    too_late = None if ended is None else Late(ended, second, late == "drop")
    rows, left_out = read_rows(tables, columns, quarantine, days, too_late, file="file")
    if rows.is_empty():
        why = f"all {left_out:,} rows lie outside of --start and --end" if left_out else "these files have no rows"
        if quarantine.dropped:
            why = f"{quarantine.dropped:,} rows are earlier than the end of the stream in {stream}"
        raise DataError(f"no row to convert: {why}")
    categories, _ = read_rows(catalogue, item_columns, quarantine)
    quarantine.check()

    found, paths = len(rows), [table.path for table in tables]
    given = Given(tables, columns, catalogue, item_columns, None if ended is None else stream)
    rows = without_shared(rows, paths, repeated).sort("time", maintain_order=True)
    if not settings.any_time:
        check_times(rows, settings.time_unit, given)
    rows = as_in_stream(rows, given)
    if settings.ids != "as-written":
        check_ids(rows, categories, given)
    rows = rows.with_columns(time=second)
    if ended is not None:
        rows = without_known(rows, stream, paths, repeated)
        if rows.is_empty():
            raise DataError(f"no row to convert: the stream in {stream} has all {found:,} already")
    names = {column.role: column.name for column in columns if column.role.startswith("context ")}
    return rows.drop("file").rename(names), categories, left_out, found - len(rows)
