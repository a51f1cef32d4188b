"""Checks of all rows together, as :mod:`asmg_pl.convert.checks` has them, on names that are distinct already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from asmg_pl.convert.checks import Given, far_times, missing_ids, no_numbers, two_spellings
from asmg_pl.convert.spark.names import Kind
from asmg_pl.convert.spark.reading import FRAME
from asmg_pl.convert.spark.tasks import collected, mapped
from asmg_pl.data.tables.columns import Column
from asmg_pl.data.tables.spelling import Twofold, keyed, looks_missing
from asmg_pl.data.tables.times import UNITS, TimeUnit, outliers_among

_WHOLE = r"^[+-]?[0-9]+$"
_PLAIN = r"^(0|-?[1-9][0-9]*)$"


@dataclass(frozen=True)
class OfFrame(Given):
    """A DataFrame that rows come from; its rows have no lines that a message could name."""

    def first(self, role: str, condition: pl.Expr) -> str | None:
        """See :meth:`~asmg_pl.convert.checks.Given.first`."""
        return str(FRAME)


def check_times(rows: DataFrame, unit: TimeUnit, given: Given) -> None:
    """Refuse a few times that are far from all others; the driver sees a line for each day that has rows.

    Raises:
        DataError: if there are such times.
    """
    day = F.floor(F.col("time") / F.lit(24 * 60 * 60 * UNITS[unit][0]))
    of_day = (F.min("time").alias("first"), F.max("time").alias("last"), F.count("*").alias("rows"))
    days = pl.DataFrame(collected(rows.groupBy(day.alias("day")).agg(*of_day).orderBy("first")))
    found = outliers_among(days["first"], days["last"], days["rows"], unit)
    if found is not None:
        raise far_times(found, int(days["rows"].sum()), unit, given)


def check_kind(names: DataFrame, kind: Kind, stream_has_integers: bool, given: Given) -> None:
    """Refuse ids that are no numbers where the stream has numbers.

    Args:
        names: see :func:`~asmg_pl.convert.spark.names.distinct`.
        kind: the kind of the names, as the rows have them.
        stream_has_integers: whether the names of the stream are whole numbers.
        given: where the rows come from.

    Raises:
        DataError: if there are such ids.
    """
    if not stream_has_integers or kind.integer or kind.column is None:
        return
    value = F.col("value")
    number = value.rlike(_WHOLE) & F.expr("try_cast(value as bigint)").isNotNull()
    odd = names.where(~value.rlike(_PLAIN) | ~number).select("value", "first", number.alias("number"))
    first = odd.groupBy("number").agg(F.min_by("value", "first").alias("value"))
    ids = pl.Series([row["value"] for row in collected(first)], dtype=pl.String)
    raise no_numbers(kind.column, ids, given)


def check_names(names: DataFrame, known: DataFrame | None, kind: Kind, rows: int, given: Given) -> None:
    """Refuse ids with two spellings, and ids that look like a missing value.

    Args:
        names: see :func:`~asmg_pl.convert.spark.names.distinct`.
        known: the names that the stream has.
        kind: the kind of the names.
        rows: the number of all rows.
        given: where the rows come from.

    Raises:
        DataError: if there are such ids.
    """
    column = kind.column
    if column is None:
        return
    if kind.integer:
        value = F.col("value").cast("bigint")
        (least,) = collected(names.agg(F.min_by("count", value).alias("count"), F.min(value).alias("value")))
        if least["value"] == -1:
            raise missing_ids(column, ("-1", least["count"]), rows, given)
        return
    missing, twice = spellings(names, known, not column.is_id)
    if column.is_id and missing is not None:
        raise missing_ids(column, missing, rows, given)
    if twice is not None:
        raise two_spellings(column, twice, given)


def check_catalogue(items: DataFrame, known: DataFrame, column: Column, given: Given) -> None:
    """Refuse items of the catalogue that are another spelling of an item of the rows or the stream.

    Args:
        items: the items of the catalogue, ``value``.
        known: the items of the rows and of the stream, ``value``.
        column: the column of the items' file.
        given: where the rows come from.

    Raises:
        DataError: if there is one.
    """
    _, twice = spellings(items.select("value").distinct().withColumn("count", F.lit(1)), known, feature=False)
    if twice is not None:
        raise two_spellings(column, twice, given)


def spellings(
    names: DataFrame, known: DataFrame | None, feature: bool
) -> tuple[tuple[str, int] | None, Twofold | None]:
    """Look at the spellings of names: the most frequent one that looks missing, and the first id with two of them."""
    every = names.select("value", F.col("count").cast("bigint"), F.lit(True).alias("new"))
    if known is not None:
        every = every.unionByName(
            known.select("value", F.lit(0).cast("bigint").alias("count"), F.lit(False).alias("new"))
        )
    every = every.groupBy("value").agg(F.sum("count").alias("count"), F.max("new").alias("new"))
    types = {"value": "string", "count": "bigint", "new": "boolean", "key": "string", "missing": "boolean"}

    def task(tables: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for table in tables:
            keys = keyed(table.select(text="value"), feature)
            found = table.join(keys, left_on="value", right_on="text", how="left")
            yield found.with_columns(key=pl.coalesce("key", "value"), missing=looks_missing(pl.col("value")))

    two = F.slice(F.sort_array(F.collect_set("value")), 1, 2)
    most = F.max(F.when(F.col("missing") & F.col("new"), F.struct("count", "value")))
    by_key = mapped(every, task, types).groupBy("key")
    found = by_key.agg(
        F.count("*").alias("spellings"), F.max("new").alias("new"), two.alias("texts"), most.alias("most")
    )
    twice = (F.col("spellings") > 1) & F.col("new")
    first = F.min(F.when(twice, F.struct("key", "texts")))
    (row,) = found.agg(F.max("most").alias("most"), F.count_if(twice).alias("ids"), first.alias("first")).collect()
    missing = None if row["most"] is None else (row["most"]["value"], row["most"]["count"])
    texts = row["first"] and row["first"]["texts"]
    return missing, None if row["first"] is None else Twofold(texts[0], texts[1], row["ids"])
