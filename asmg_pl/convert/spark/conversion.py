"""Converts with Spark, step by step; :mod:`asmg_pl.convert.reading` and the writer of streams are the reference."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from asmg_pl.convert.checks import Given
from asmg_pl.convert.described import described, opened
from asmg_pl.convert.done import Conversion
from asmg_pl.convert.fetching import Inputs
from asmg_pl.convert.place import looked_at, place
from asmg_pl.convert.repeated import Repeated, without_taken
from asmg_pl.convert.rules import Rules, check_place, check_sides
from asmg_pl.convert.settings import Settings
from asmg_pl.convert.spark import reading
from asmg_pl.convert.spark.checks import OfFrame
from asmg_pl.convert.spark.ordering import numbered
from asmg_pl.convert.spark.rows import prepared
from asmg_pl.convert.spark.tasks import session, told
from asmg_pl.convert.spark.writing import write
from asmg_pl.convert.views import viewed
from asmg_pl.data.tables.late import Treatment
from asmg_pl.data.tables.quarantine import Quarantine
from asmg_pl.errors import ConfigError, NothingNewError

_SAMPLE = 1000


def write_stream(
    frame: DataFrame,
    folder: str | Path,
    *,
    order: Sequence[str] = (),
    items: str | Path | None = None,
    users: str | Path | None = None,
    append: bool = False,
    max_bad_rows: int = 0,
    start: str | None = None,
    end: str | None = None,
    late: Treatment = "refuse",
    repeated: Repeated = "refuse",
    wait: float = 0.0,
    **settings: Any,
) -> Conversion:
    """Convert the rows of a Spark DataFrame to a stream.

    A DataFrame has no order of rows. Rows with equal times stand in the order of the columns ``order``, and then of the
    values of their columns, as texts: user, item, label, features. So the same rows give the same bytes, however they
    are partitioned.

    Args:
        frame: the rows.
        folder: the folder of the stream, which all executors and this process must see.
        order: columns of whole numbers, times or texts that order rows with equal times.
        items: a file of the items' categories and features, as for :func:`asmg_pl.convert.convert`.
        users: a file of the users' features, likewise.
        append: add the rows to the stream.
        max_bad_rows: the most malformed rows to leave out; quarantine.csv lists them without a line.
        start: the first day to keep (UTC), as in 2014-01-31.
        end: the last day to keep (UTC).
        late: the treatment of rows that are earlier than the stream's end.
        repeated: the treatment of rows that the stream has already.
        wait: the seconds to wait while another program writes the stream.
        settings: the meaning of the rows, by the names of :class:`~asmg_pl.convert.Settings`: user, item, time and so
            on.

    Raises:
        BusyError: if another program is writing the stream.
        ConfigError: if the options contradict each other or the stream.
        DataError: if a column is missing or of another kind, too many rows are malformed, or there is no row.
        NothingNewError: if all rows are late or repeated.
    """
    out, rules = Path(folder), Rules.of(start, end, max_bad_rows, late, repeated)
    check_place(out, append, wait)
    meaning = Settings.of(settings, out if append else None)
    check_sides(meaning, items, users, append)
    frame, by = _with_order(frame, order)
    sample = pl.DataFrame(pl.from_arrow(frame.limit(_SAMPLE).toArrow()))
    with place(out, append, wait) as stream, told(), ExitStack() as stack:
        table = viewed([reading.RowsOfFrame(sample)], meaning)
        source = described(table, items, users, meaning, stream)
        reader = reading.Reader(meaning, source.plausible, rules, source.ended, order=by)
        quarantine, paths = Quarantine(max_bad_rows), [reading.FRAME]
        needed = {column.name for column in (*reader.columns, *table[0].needs)}
        only = frame.select(*(f"`{name}`" for name in frame.columns if name in needed))
        read = reading.sorted_out(reading.read_frame(reader, only), reader, paths, quarantine, stack)
        # Columns of the order come first, then all others; the sort is stable, so False goes before True.
        columns = sorted(reader.columns, key=lambda column: column.option != "order")
        keys = ("time", *(reading.name_of(column.role) for column in columns if column.role != "time"))
        if append and rules.repeated == "drop":
            # Rows are left out by their numbers, which have to be the same if Spark reads a lost partition again.
            read = replace(read, rows=numbered(read.rows.drop("row"), keys, "row", stack).frame)
        of_stream = stream if append else None
        given = OfFrame(source.tables, source.columns, source.catalogue, source.item_columns, of_stream)
        spark = frame.sparkSession
        rows = prepared(read, keys, source, given, meaning, rules, quarantine, paths, 0, stack, spark)
        return write(rows, stream, meaning, append, given, quarantine, Inputs([], items, users), (), stack)


def convert_files(given: Inputs, stream: Path, settings: Settings, rules: Rules, append: bool) -> Conversion:
    """Convert files, see :func:`asmg_pl.convert.convert`.

    Args:
        given: the files, on a file system that all executors see.
        stream: the folder to write in, which they see too.
        settings: the meaning of the rows.
        rules: which rows are taken.
        append: whether the stream is there.

    Raises:
        ConfigError: if Spark does not start.
        DataError: as :func:`asmg_pl.convert.convert` has it.
        NothingNewError: if all rows are late or repeated.
    """
    sources, before = looked_at(given.files, stream, append)
    source = described(opened(given.files, settings), given.items, given.users, settings, stream)
    tables = without_taken(source.tables, source.columns, before, stream, rules.repeated)
    if not tables:
        raise NothingNewError(
            f"no row to convert: the stream in {stream} has taken all {len(source.tables):,} files before"
        )
    with told(), ExitStack() as stack:
        spark, paths = session(), [table.path for table in tables]
        reader = reading.Reader(settings, source.plausible, rules, source.ended)
        quarantine = Quarantine(rules.max_bad_rows)
        read = reading.sorted_out(reading.read_files(reader, tables, spark), reader, paths, quarantine, stack)
        of_stream = stream if append else None
        places = Given(tables, source.columns, source.catalogue, source.item_columns, of_stream)
        passed_over, keys = len(source.tables) - len(tables), ("time", "file", "row")
        rows = prepared(read, keys, source, places, settings, rules, quarantine, paths, passed_over, stack, spark)
        return write(rows, stream, settings, append, places, quarantine, given, sources, stack)


def _with_order(frame: DataFrame, order: Sequence[str]) -> tuple[DataFrame, tuple[tuple[str, str], ...]]:
    """Add columns by which rows are ordered; also their names and types, ``bigint`` or ``string``."""
    by = []
    for name in order:
        if name not in frame.columns:
            raise ConfigError(f"order: the DataFrame has no column {name!r}, only {frame.columns}")
        kind, value = frame.schema[name].dataType, F.col(f"`{name}`")
        if isinstance(kind, T.TimestampType):
            value = F.unix_micros(value)
        elif not isinstance(kind, T.ByteType | T.ShortType | T.IntegerType | T.LongType | T.StringType):
            what = f"column {name!r} holds {kind.simpleString()}"
            raise ConfigError(f"order: {what}, name one of whole numbers, times or texts")
        by.append((f"order {name}", "string" if isinstance(kind, T.StringType) else "bigint"))
        frame = frame.withColumn(by[-1][0], value)
    return frame, tuple(by)
