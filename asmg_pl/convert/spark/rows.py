"""The rows of a conversion, read, checked, and numbered in the order in which the stream has them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from asmg_pl.convert.checks import Given
from asmg_pl.convert.described import Described
from asmg_pl.convert.reading import no_row, nothing_new
from asmg_pl.convert.rules import Rules
from asmg_pl.convert.settings import Settings
from asmg_pl.convert.spark.checks import check_times
from asmg_pl.convert.spark.late import LateRows, entering, is_late, left_out, refuse
from asmg_pl.convert.spark.ordering import numbered
from asmg_pl.convert.spark.reading import Read, Reader, name_of, read_files, sorted_out
from asmg_pl.convert.spark.repeated import without_rows_of_stream, without_shared
from asmg_pl.convert.spark.sides import Side
from asmg_pl.convert.spark.tasks import collected
from asmg_pl.data.stream.manifest import Manifest
from asmg_pl.data.tables.files import TableFile
from asmg_pl.data.tables.late import Late
from asmg_pl.data.tables.quarantine import Quarantine
from asmg_pl.data.tables.times import UNITS


@dataclass(frozen=True)
class Rows:
    """The rows that enter a stream.

    Attributes:
        frame: the rows: a column for each role, see :func:`~asmg_pl.convert.spark.reading.name_of`, ``label`` 0 or 1,
            ``time`` in seconds, their ``position``, and the number of their lists that were ``cut``.
        count: their number.
        read: how they were read.
        catalogue: the rows of the file of items; ``None`` if there is none.
        sides: the features of users and of items, which the rows are still to be given.
        never: the positive kinds of events that no row has.
        repeated: the number of repeated rows that were left out.
        rule: tells late rows; ``None`` for a new stream.
        late: the late rows.
        paths: the files by their numbers.
        passed_over: the number of files that were left out as a whole.
        spark: the session.
    """

    frame: DataFrame
    count: int
    read: Read
    catalogue: Read | None
    sides: tuple[Side, ...]
    never: tuple[str, ...]
    repeated: int
    rule: Late | None
    late: LateRows
    paths: Sequence[Path]
    passed_over: int
    spark: Any


def prepared(
    read: Read,
    keys: Sequence[str],
    source: Described,
    given: Given,
    settings: Settings,
    rules: Rules,
    quarantine: Quarantine,
    paths: Sequence[Path],
    passed_over: int,
    stack: ExitStack,
    spark: Any,
) -> Rows:
    """Check rows, leave out those that are not taken, and number the others.

    Args:
        read: the rows.
        keys: the columns that order them.
        source: the tables and their columns.
        given: where the rows come from, for messages.
        settings: the meaning of the rows.
        rules: which rows are taken.
        quarantine: takes malformed rows.
        paths: the files by their numbers.
        passed_over: the number of files that were left out as a whole.
        stack: frees what is kept.
        spark: the session.

    Raises:
        DataError: if too many rows are malformed, or rows contradict each other or the stream.
        NothingNewError: if there is no row, or all rows are late or repeated.
    """
    rows = read.rows
    rule = None if source.ended is None else Late(source.ended, pl.col("time"))
    if rule is not None and rules.late == "refuse" and quarantine.count > quarantine.limit:
        refuse(rows, rule, paths, quarantine)  # one message names all
    quarantine.check()
    if not read.tally.rows:
        raise no_row(read.tally.left_out, read.tally.filtered, paths)
    rows, never = _labelled(rows, settings)
    for name in settings.nobody:
        rows = rows.withColumn(name, F.lit(getattr(settings, name)))
    scale = UNITS[settings.read_unit][0]
    second = F.expr(f"(time - pmod(time, {scale})) div {scale}")

    def beside(side: Literal["user", "item"], tables: Sequence[TableFile]) -> Read | None:
        if not tables:
            return None
        reader, files = Reader(settings, source.plausible, rules, side=side), [table.path for table in tables]
        return sorted_out(read_files(reader, tables, spark), reader, files, quarantine, stack)

    catalogue, people = beside("item", source.catalogue), beside("user", source.people)
    quarantine.check()
    sides = (
        Side.of(name, own, second) if own is not None else None for name, own in (("user", people), ("item", catalogue))
    )
    with_features = tuple(side for side in sides if side is not None)

    roles = [*(column.role for column in read.columns), *settings.nobody]
    rows = without_shared(rows, roles, paths, rules.repeated, stack)
    enters = F.lit(True) if rule is None or rules.late == "next" else ~is_late()
    if not settings.any_time:
        check_times(rows.where(enters), settings.read_unit, given)
    seconds = rows.withColumn("moment", F.col("time")).withColumn("time", second)
    late, not_compared = LateRows(), 0
    if rule is not None and given.stream is not None:
        types = dict.fromkeys(roles, False) | {role: True for role in ("user", "item") if _whole(given, role)}
        compared = seconds, types, given.stream, rule.end, paths, rules.repeated
        seconds, not_compared = without_rows_of_stream(*compared, stack)
        if rules.late == "refuse":
            refuse(seconds, rule, paths, quarantine)
            quarantine.check()
        elif rules.late != "next":
            late = left_out(seconds, rules.late, stack)
    made = numbered(seconds.where(enters), ["moment" if key == "time" else key for key in keys], "position", stack)
    repeated = read.tally.rows - made.rows - quarantine.late - late.dropped - late.listed
    if not made.rows and given.stream is not None:
        raise nothing_new(given.stream, read.tally.rows, repeated, rules.late)
    frame = made.frame
    if rule is not None and rules.late == "next":
        frame, late = entering(frame, rule, not_compared)
    wanted = [
        name_of(role) for role in roles if role not in ("label", "time") and not role.startswith(("whole ", "text "))
    ]
    lists = [name_of(f"list {name}") for name in settings.lists]
    frame = with_short_lists(frame.withColumn("cut", F.lit(0)), lists, settings.list_size)
    frame = frame.select("position", "label", "time", "cut", *wanted)
    return Rows(
        frame, made.rows, read, catalogue, with_features, never, repeated, rule, late, paths, passed_over, spark
    )


def _whole(given: Given, role: str) -> bool:
    """Whether the names of a role are whole numbers in the stream."""
    assert given.stream is not None
    part = Manifest.read(given.stream).parts[0]
    return bool(pl.read_parquet_schema(given.stream / part.folder / f"{role}s.parquet")["name"].is_integer())


def _labelled(rows: DataFrame, settings: Settings) -> tuple[DataFrame, tuple[str, ...]]:
    """Give rows labels of 0 and 1; also the positive kinds of events that no row has."""
    if settings.all_positive:
        return rows.withColumn("label", F.lit(1)), ()
    if not settings.positive:
        return rows, ()
    met = {row["label"] for row in collected(rows.select("label").distinct())}
    never = tuple(kind for number, kind in enumerate(settings.positive, 1) if number not in met)
    return rows.withColumn("label", (F.col("label") > 0).cast("int")), never


def with_short_lists(rows: DataFrame, lists: Sequence[str], most: int) -> DataFrame:
    """Cut lists that are too long, and add the number of those in each row to its ``cut``."""
    too_long = ((F.size(name) > most).cast("int") for name in lists)
    short = {name: F.slice(name, 1, most) for name in lists}
    return rows.withColumns({"cut": reduce(Column.__add__, too_long, F.col("cut")), **short})
