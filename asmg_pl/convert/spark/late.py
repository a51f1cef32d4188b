"""Late rows of an append: refused, left out, listed by one task, or entering, which one task writes down.

The rules are those of :mod:`asmg_pl.convert.reading`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from asmg_pl.convert.checks import Given, as_in_stream
from asmg_pl.convert.spark.ordering import keep
from asmg_pl.convert.spark.parts import in_one_task
from asmg_pl.convert.spark.reading import FRAME, name_of
from asmg_pl.convert.spark.tasks import collected, whole
from asmg_pl.data.tables.columns import Column
from asmg_pl.data.tables.late import Late, Treatment
from asmg_pl.data.tables.quarantine import Quarantine


def is_late() -> Expression:
    """Whether a row is late; only those have their text."""
    return F.col("text").isNotNull()


@dataclass(frozen=True)
class LateRows:
    """The late rows of an append.

    Attributes:
        dropped: the number of those that are left out, and are listed nowhere.
        listed: the number of those that ``quarantine.csv`` lists, however many.
        entered: the number of those that enter with the time of the stream's end.
        not_compared: the number of these that are too old to tell whether the stream has them.
        rows: those that are listed, or those that enter; ``None`` if there are none.
    """

    dropped: int = 0
    listed: int = 0
    entered: int = 0
    not_compared: int = 0
    rows: DataFrame | None = None


def left_out(rows: DataFrame, late: Treatment, stack: ExitStack) -> LateRows:
    """Late rows that do not enter.

    Args:
        rows: the rows of an append, with their times before they became seconds as ``moment``.
        late: what becomes of late rows: drop or quarantine.
        stack: frees what is kept.
    """
    left = rows.where(is_late())
    if late == "drop":
        return LateRows(dropped=left.count())
    left = keep(left.select("file", "row", "moment", "line", "text"), stack)
    return LateRows(listed=(count := left.count()), rows=left if count else None)


def entering(rows: DataFrame, rule: Late, not_compared: int) -> tuple[DataFrame, LateRows]:
    """Give rows the time of the stream's end if theirs is earlier; also the late rows at their own times.

    Args:
        rows: the rows of an append, with times in seconds.
        rule: tells late rows.
        not_compared: the number of rows that are too old to tell whether the stream has them.
    """
    late = rows.where(is_late())
    count = late.count()
    entered = LateRows(entered=count, not_compared=not_compared, rows=late if count else None)
    return rows.withColumn("time", F.greatest("time", F.lit(rule.end).cast("bigint"))), entered


def refuse(rows: DataFrame, rule: Late, paths: Sequence[Path], quarantine: Quarantine) -> None:
    """Put late rows into the quarantine as malformed ones; a few of them if they are too many.

    Args:
        rows: the rows of an append.
        rule: tells late rows.
        paths: the files by their numbers.
        quarantine: takes the rows; the caller checks their number.
    """
    late = rows.where(is_late())
    firsts = late.groupBy("file").agg(F.min(F.struct("time", "row")).alias("first"), F.count("*").alias("rows"))
    for found in sorted(collected(firsts), key=lambda row: (row["first"], row["file"])):
        number = found["file"]
        order = ("line",) if paths[number] != FRAME else ("text",)
        few = collected(late.where(F.col("file") == number).orderBy(*order).limit(quarantine.longest))
        listed = _listed(pl.DataFrame(few, infer_schema_length=None), rule, paths[number])
        quarantine.add_late(paths[number], listed, False, found["rows"] - len(listed))


def _listed(rows: pl.DataFrame, rule: Late, file: Path) -> pl.DataFrame:
    """The rows of a file as the quarantine lists them."""
    line = pl.lit(None, pl.Int64) if file == FRAME else pl.col("line").cast(pl.Int64)
    return rows.select(line.alias("line"), "text", reason=pl.lit(rule.reason))


def write_listed(rows: DataFrame, rule: Late, paths: Sequence[Path], path: Path) -> None:
    """Write a list of late rows, by one task, as ``quarantine.csv`` has them.

    Args:
        rows: see :func:`left_out`; at least one row.
        rule: tells late rows.
        paths: the files by their numbers.
        path: the file to write.
    """

    def work(table: pl.DataFrame) -> dict[str, int]:
        quarantine = Quarantine()
        for of_file in table.partition_by("file", maintain_order=True):
            file = paths[of_file["file"][0]]
            in_order = of_file.sort("text" if file == FRAME else "line")
            quarantine.add_late(file, _listed(in_order, rule, file), True)
        whole(path, lambda partial: partial.write_bytes(quarantine.listed()))
        return {"rows": quarantine.set_aside}

    in_one_task(rows, ("moment", "file", "row"), work)


def write_entered(
    rows: DataFrame, rule: Late, columns: Sequence[Column], nobody: Sequence[str], stream: Path, path: Path
) -> None:
    """Write late rows that enter with their own times, by one task, as a part keeps them.

    Args:
        rows: see :func:`entering`, with their ``position``; at least one row.
        rule: tells late rows.
        columns: the columns that were read.
        nobody: the columns that have the same value in all rows.
        stream: the stream, whose names give the ids their types.
        path: the file to write.
    """
    roles = [column.role for column in columns if column.option != "order"]
    names = {name_of(role): role for role in (*roles, *nobody)}

    def work(table: pl.DataFrame) -> dict[str, int]:
        own = as_in_stream(table.select(*names).rename(names), Given([], columns, [], [], stream))
        own = own.with_columns(pl.col("^label$").cast(pl.UInt8), entered=pl.lit(rule.end, pl.Int64))
        whole(path, lambda partial: own.write_parquet(partial))
        return {"rows": len(own)}

    in_one_task(rows.select("position", *names), ("position",), work)
