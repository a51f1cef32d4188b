"""Repeated rows, found by Spark where files overlap, and by one task where an append reaches back.

The rules are those of :mod:`asmg_pl.convert.repeated`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import reduce
from pathlib import Path

import polars as pl
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from asmg_pl.convert.repeated import Repeated, overlapping, without_known
from asmg_pl.convert.spark.ordering import keep
from asmg_pl.convert.spark.reading import name_of
from asmg_pl.convert.spark.tasks import collected, mapped

_OLDER = -1  # no file: the number of rows that are too old to be compared


def without_shared(
    rows: DataFrame, roles: Sequence[str], files: Sequence[Path], repeated: Repeated, stack: ExitStack
) -> DataFrame:
    """Leave out rows that one file repeats of another.

    Args:
        rows: the rows of the files, see :class:`~asmg_pl.convert.spark.reading.Read`.
        roles: the roles of their columns.
        files: the files.
        repeated: the treatment of repeated rows.
        stack: frees what is kept.

    Raises:
        DataError: if repeated rows are refused, and there are some.
    """
    if repeated == "keep" or len(files) < 2:
        return rows
    key = [name_of(role) for role in _compared(roles)]
    digest = F.xxhash64(*key)
    several = rows.groupBy(digest.alias("_digest")).agg(F.min("file").alias("one"), F.max("file").alias("other"))
    several = keep(several.where(F.col("one") < F.col("other")).select("_digest"), stack)
    if several.isEmpty():
        return rows
    equal = rows.withColumn("_digest", digest).join(several, "_digest", "left_semi").drop("_digest")
    counts = equal.groupBy(*key, "file").agg(F.count("*").alias("rows"))
    one, other = counts.alias("one"), counts.alias("other")
    same = reduce(Column.__and__, (F.col(f"one.{name}").eqNullSafe(F.col(f"other.{name}")) for name in key))
    both = one.join(other, same & (F.col("one.file") < F.col("other.file")))
    pairs = both.groupBy(F.col("one.file").alias("one"), F.col("other.file").alias("other"))
    shared = collected(pairs.agg(F.sum(F.least("one.rows", "other.rows")).alias("rows")))
    shared.sort(key=lambda pair: (pair["one"], pair["other"]))
    found = [pair for pair in shared if 2 * pair["rows"] >= _together(rows, pair["one"], pair["other"])]
    if not found:
        return rows
    if repeated == "refuse":
        raise overlapping([(files[pair["other"]], pair["rows"], files[pair["one"]]) for pair in found])
    nth = F.row_number().over(Window.partitionBy(*key, "file").orderBy("row"))
    wanted = [(F.col("one.file") == pair["one"]) & (F.col("other.file") == pair["other"]) for pair in found]
    there = equal.withColumn("nth", nth).alias("other")
    again = one.join(there, same & reduce(Column.__or__, wanted) & (F.col("other.nth") <= F.col("one.rows")))
    return rows.join(again.select("other.file", "other.row").distinct(), ["file", "row"], "left_anti")


def _compared(roles: Sequence[str]) -> list[str]:
    """The roles that are equal in repeated rows."""
    return [role for role in roles if not role.startswith(("list ", "weight ", "further ", "whole ", "text "))]


def _together(rows: DataFrame, one: int, other: int) -> int:
    """The number of rows within the time that both files cover, of the file that has fewer."""
    spans = rows.where(F.col("file").isin(one, other)).groupBy("file").agg(F.min("time"), F.max("time")).collect()
    begin, end = max(row[1] for row in spans), min(row[2] for row in spans)
    within = rows.where(F.col("file").isin(one, other) & F.col("time").between(begin, end))
    counts: dict[int, int] = dict(within.groupBy("file").count().collect())
    return min(counts.get(one, 0), counts.get(other, 0))


def without_rows_of_stream(
    rows: DataFrame,
    types: Mapping[str, bool],
    folder: Path,
    ended: int,
    files: Sequence[Path],
    repeated: Repeated,
    stack: ExitStack,
) -> tuple[DataFrame, int]:
    """Leave out rows that the stream has already: those up to its end, which one task compares.

    Args:
        rows: the rows with times in seconds, and as they were read, ``moment``.
        types: the roles of their columns, each with whether it has whole numbers in the stream.
        folder: the stream.
        ended: its last time.
        files: the files.
        repeated: the treatment of repeated rows.
        stack: frees what is kept.

    Returns:
        The other rows, and the number of rows that are too old to be compared.

    Raises:
        DataError: if repeated rows are refused, and there are some.
    """
    here = rows.where(F.col("time") <= ended)
    if repeated == "keep" or here.isEmpty():
        return rows, 0
    names = {name_of(role): role for role in _compared(list(types))}
    whole = [role for role in names.values() if types[role]]

    def task(tables: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        pieces = list(tables)
        if pieces:
            table = pl.concat(pieces).drop("moment").rename(names)
            table = table.with_columns(pl.col(whole).cast(pl.Int64, strict=False), pl.col("file").cast(pl.UInt32))
            table = table.with_columns(pl.col("label").cast(pl.UInt8)) if "label" in table.columns else table
            compared = table.drop("row").with_columns(line=pl.int_range(pl.len()))
            left, older = without_known(compared, folder, files, repeated)
            again = table.with_row_index("line").join(
                left.select(pl.col("line").cast(pl.UInt32)), on="line", how="anti"
            )
            yield again.select(pl.col("file").cast(pl.Int32), "row")
            yield pl.DataFrame({"file": [_OLDER], "row": [older]})

    columns = here.select("file", "row", "moment", *names)
    in_order = columns.repartition(1).sortWithinPartitions("moment", "file", "row")
    found = keep(mapped(in_order, task, {"file": "int", "row": "bigint"}), stack)
    older = sum(row["row"] for row in collected(found.where(F.col("file") == _OLDER)))
    return rows.join(found, ["file", "row"], "left_anti"), older
