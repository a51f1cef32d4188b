"""Checks of all rows together, as :mod:`asmg_pl.convert.checks` has them, on names that are distinct already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    days = pl.DataFrame(collected(rows.groupBy(day.alias("day")).agg(*of_day))).sort("first")
    found = outliers_among(days["first"], days["last"], days["rows"], unit)
    if found is not None:
        raise far_times(found, int(days["rows"].sum()), unit, given)


def check_kind(names: DataFrame, kind: Kind, given: Given) -> None:
    """Refuse ids that are no numbers where the stream has numbers.

    Args:
        names: see :func:`~asmg_pl.convert.spark.names.distinct`.
        kind: the kind of the names to look at.
        given: where the rows come from.

    Raises:
        DataError: if there are such ids.
    """
    if kind.column is None:
        return
    value = F.col("value")
    number = value.rlike(_WHOLE) & F.expr("try_cast(value as bigint)").isNotNull()
    odd = names.where((F.col("kind") == kind.place) & (~value.rlike(_PLAIN) | ~number))
    odd = odd.select("value", "first", number.alias("number"))
    first = odd.groupBy("number").agg(F.min_by("value", "first").alias("value"))
    if found := [row["value"] for row in collected(first)]:
        raise no_numbers(kind.column, pl.Series(found, dtype=pl.String), given)


def check_names(names: DataFrame, known: DataFrame | None, kinds: Sequence[Kind], rows: int, given: Given) -> None:
    """Refuse ids with two spellings, and ids that look like a missing value.

    Args:
        names: see :func:`~asmg_pl.convert.spark.names.distinct`.
        known: the names that the stream has.
        kinds: the kinds of the names.
        rows: the number of all rows.
        given: where the rows come from.

    Raises:
        DataError: if there are such ids.
    """
    columns = {kind.place: kind.column for kind in kinds if kind.column is not None and kind.most is None}
    whole = [kind.place for kind in kinds if kind.place in columns and kind.integer]
    texts = {place: not column.is_id for place, column in columns.items() if place not in whole}
    least, spelled = {}, {}
    if whole:
        value = F.expr("try_cast(value as bigint)")
        of_kind = names.where(F.col("kind").isin(whole)).groupBy("kind")
        figures = of_kind.agg(F.min_by("count", value).alias("count"), F.min(value).alias("value"))
        least = {row["kind"]: row["count"] for row in collected(figures) if row["value"] == -1}
    if texts:
        spelled = spellings(names, known, texts)
    for place, column in columns.items():
        if place in least:
            raise missing_ids(column, ("-1", least[place]), rows, given)
        missing, twice = spelled.get(place, (None, None))
        if column.is_id and missing is not None:
            raise missing_ids(column, missing, rows, given)
        if twice is not None:
            raise two_spellings(column, twice, given)


def check_catalogue(items: DataFrame, known: DataFrame, kind: Kind, column: Column, given: Given) -> None:
    """Refuse items of the catalogue that are another spelling of an item of the rows or the stream.

    Args:
        items: the items of the catalogue, ``kind`` and ``value``.
        known: the items of the rows and of the stream, ``kind`` and ``value``.
        kind: the kind of these names.
        column: the column of the items' file.
        given: where the rows come from.

    Raises:
        DataError: if there is one.
    """
    found = spellings(items.distinct().withColumn("count", F.lit(1)), known, {kind.place: False})
    _, twice = found.get(kind.place, (None, None))
    if twice is not None:
        raise two_spellings(column, twice, given)


def spellings(
    names: DataFrame, known: DataFrame | None, features: Mapping[int, bool]
) -> dict[int, tuple[tuple[str, int] | None, Twofold | None]]:
    """Look at the spellings of names.

    Args:
        names: distinct names: ``kind``, ``value`` and ``count``.
        known: the names that the stream has: ``kind`` and ``value``.
        features: the kinds to look at, each with whether its names are values of a feature.

    Returns:
        Of each kind: the most frequent name that looks missing, and the first id with two spellings.
    """
    wanted = F.col("kind").isin([*features])
    every = names.where(wanted).select("kind", "value", F.col("count").cast("bigint"), F.lit(True).alias("new"))
    if known is not None:
        nothing = F.lit(0).cast("bigint").alias("count")
        every = every.unionByName(known.where(wanted).select("kind", "value", nothing, F.lit(False).alias("new")))
        every = every.groupBy("kind", "value").agg(F.sum("count").alias("count"), F.max("new").alias("new"))
    types = {
        "kind": "int",
        "value": "string",
        "count": "bigint",
        "new": "boolean",
        "key": "string",
        "missing": "boolean",
    }

    def task(tables: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for table in tables:
            for own in table.partition_by("kind"):
                keys = keyed(own.select(text="value"), features[own["kind"][0]])
                found = own.join(keys, left_on="value", right_on="text", how="left")
                yield found.with_columns(key=pl.coalesce("key", "value"), missing=looks_missing(pl.col("value")))

    two = F.slice(F.sort_array(F.collect_set("value")), 1, 2)
    most = F.max(F.when(F.col("missing") & F.col("new"), F.struct("count", "value")))
    by_key = mapped(every, task, types).groupBy("kind", "key")
    found = by_key.agg(
        F.count("*").alias("spellings"), F.max("new").alias("new"), two.alias("texts"), most.alias("most")
    )
    twice = (F.col("spellings") > 1) & F.col("new")
    first = F.min(F.when(twice, F.struct("key", "texts"))).alias("first")
    of_kind = found.groupBy("kind").agg(F.max("most").alias("most"), F.count_if(twice).alias("ids"), first)
    return {row["kind"]: (_missing(row), _twofold(row)) for row in collected(of_kind)}


def _missing(row: Mapping[str, Any]) -> tuple[str, int] | None:
    return None if row["most"] is None else (row["most"]["value"], row["most"]["count"])


def _twofold(row: Mapping[str, Any]) -> Twofold | None:
    if row["first"] is None:
        return None
    one, other = row["first"]["texts"]
    return Twofold(one, other, row["ids"])
