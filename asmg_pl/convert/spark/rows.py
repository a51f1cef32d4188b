"""The rows of a conversion, read, checked, and numbered in the order in which the stream has them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from asmg_pl.convert.checks import Given
from asmg_pl.convert.described import Described
from asmg_pl.convert.reading import no_row, nothing_new
from asmg_pl.convert.rules import Rules
from asmg_pl.convert.settings import Settings
from asmg_pl.convert.spark.checks import check_times
from asmg_pl.convert.spark.ordering import numbered
from asmg_pl.convert.spark.reading import FRAME, Read, Reader, name_of, read_files, sorted_out
from asmg_pl.convert.spark.repeated import without_rows_of_stream, without_shared
from asmg_pl.convert.spark.tasks import collected
from asmg_pl.data.stream.manifest import Manifest
from asmg_pl.data.tables.late import Late
from asmg_pl.data.tables.quarantine import Quarantine
from asmg_pl.data.tables.times import UNITS


@dataclass(frozen=True)
class Rows:
    """The rows that enter a stream.

    Attributes:
        frame: the rows: a column for each role, see :func:`~asmg_pl.convert.spark.reading.name_of`, ``label`` 0 or 1,
            ``time`` in seconds, and their ``position``.
        count: their number.
        read: how they were read.
        catalogue: the rows of the file of items; ``None`` if there is none.
        never: the positive kinds of events that no row has.
        repeated: the number of repeated rows that were left out.
        dropped: the number of late rows that were left out, and are listed nowhere.
        passed_over: the number of files that were left out as a whole.
        spark: the session.
    """

    frame: DataFrame
    count: int
    read: Read
    catalogue: Read | None
    never: tuple[str, ...]
    repeated: int
    dropped: int
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
    rows, is_late = read.rows, F.col("text").isNotNull()
    rule = None if source.ended is None else Late(source.ended, pl.col("time"))
    if rule is not None and rules.late == "refuse" and quarantine.count > quarantine.limit:
        _set_aside(rows.where(is_late), rule, paths, quarantine)  # one message names all
    quarantine.check()
    if not read.tally.rows:
        raise no_row(read.tally.left_out, read.tally.filtered, paths)
    rows, never = _labelled(rows, settings)
    for name in settings.nobody:
        rows = rows.withColumn(name, F.lit(getattr(settings, name)))
    catalogue = None
    if source.catalogue:
        reader = Reader(settings, source.plausible, rules, of_items=True)
        files = [table.path for table in source.catalogue]
        catalogue = sorted_out(read_files(reader, source.catalogue, spark), reader, files, quarantine, stack)
        quarantine.check()

    roles = [*(column.role for column in read.columns), *settings.nobody]
    rows = without_shared(rows, roles, paths, rules.repeated)
    if not settings.any_time:
        check_times(rows.where(~is_late), settings.read_unit, given)
    scale = UNITS[settings.read_unit][0]
    seconds = rows.withColumn("moment", F.col("time")).withColumn("time", F.expr(f"time div {scale}"))
    if rule is not None:
        types = dict.fromkeys(roles, False) | {role: True for role in ("user", "item") if _whole(given, role)}
        seconds = without_rows_of_stream(seconds, types, given.stream, rule.end, paths, rules.repeated)  # type: ignore[arg-type]
        if rules.late == "refuse":
            _set_aside(seconds.where(is_late), rule, paths, quarantine)
            quarantine.check()
    dropped = seconds.where(is_late).count() if rules.late == "drop" and rule is not None else 0
    by = ["moment" if key == "time" else key for key in keys]
    made = numbered(seconds.where(~is_late), by, "position", stack)
    repeated = read.tally.rows - made.rows - quarantine.late - dropped
    if not made.rows and given.stream is not None:
        raise nothing_new(given.stream, read.tally.rows, repeated, rules.late)
    wanted = [
        name_of(role) for role in roles if role not in ("label", "time") and not role.startswith(("whole ", "text "))
    ]
    frame = made.frame.select("position", "label", "time", *wanted)
    return Rows(frame, made.rows, read, catalogue, never, repeated, dropped, passed_over, spark)


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


def _set_aside(rows: DataFrame, rule: Late, paths: Sequence[Path], quarantine: Quarantine) -> None:
    """Put late rows into the quarantine as malformed ones; a few of them if they are too many."""
    firsts = rows.groupBy("file").agg(F.min(F.struct("time", "row")).alias("first"), F.count("*").alias("rows"))
    counts = {row["file"]: row["rows"] for row in collected(firsts.orderBy("first", "file"))}
    for number, count in counts.items():
        of_file = rows.where(F.col("file") == number)
        order = ("line",) if paths[number] != FRAME else ("text",)
        few = collected(of_file.orderBy(*order).limit(quarantine.longest).select("line", "text"))
        line = pl.lit(None, pl.Int64) if paths[number] == FRAME else pl.col("line").cast(pl.Int64)
        listed = pl.DataFrame(few, infer_schema_length=None).select(
            line.alias("line"), "text", reason=pl.lit(rule.reason)
        )
        quarantine.add_late(paths[number], listed, False, count - len(listed))
