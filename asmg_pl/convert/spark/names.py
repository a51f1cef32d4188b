"""Gives names their ids by first appearance, all kinds of names at once.

position  0 1 2 3     names of the rows      a b a c
                      first positions        a 0, b 1, c 3     one shuffle by kind and name
                      ids                    a 0, b 1, c 2     one sort by kind and first position
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import polars as pl
from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from asmg_pl.convert.spark.ordering import keep, numbered
from asmg_pl.convert.spark.tasks import collected, mapped
from asmg_pl.data.stream.manifest import Manifest
from asmg_pl.data.stream.reader import new_names
from asmg_pl.data.tables.columns import Column


@dataclass(frozen=True)
class Kind:
    """Names of one kind, such as those of users.

    Attributes:
        file: what their files are called, such as ``users`` or ``context-0``.
        name: the column of a frame that holds them.
        column: the column that they are read from; ``None`` if all rows have the same.
        integer: whether the stream has whole numbers, which a frame has as texts too.
        as_read: whether all of them were whole numbers in their usual spelling as they were read.
        place: the place of the kind among all.
        most: the most names of a row, of a list; ``None`` if each row has one.
    """

    file: str
    name: str
    column: Column | None
    integer: bool
    as_read: bool
    place: int
    most: int | None = None

    @property
    def id(self) -> str:
        """The column of a frame that holds the ids."""
        return f"id_{self.place}"

    @property
    def largest(self) -> Expression:
        """The largest id of a row; null if it has none."""
        return F.col(self.id) if self.most is None else F.array_max(self.id)

    @property
    def names(self) -> Expression:
        """The names of a row: an array of ``kind``, ``value``, and ``place`` within the row."""

        def named(value: Expression, place: Expression) -> Expression:
            kind = F.lit(self.place).alias("kind")
            return F.struct(kind, value.alias("value"), place.cast("int").alias("place"))

        value = F.col(self.name)
        return F.array(named(value, F.lit(0))) if self.most is None else F.transform(value, named)


def by_kind(values: Mapping[int, Any]) -> Expression:
    """The value of a row's ``kind``, of those by the places of kinds."""
    return F.element_at(F.create_map(*(F.lit(one) for pair in values.items() for one in pair)), F.col("kind"))


@dataclass(frozen=True)
class Known:
    """The names that a stream has.

    Attributes:
        names: ``kind``, ``value`` and ``id``.
        counts: the number of names of each kind, by its place.
    """

    names: DataFrame
    counts: Mapping[int, int]


def known_names(spark: Any, folder: Path, manifest: Manifest, kinds: Sequence[Kind], stack: ExitStack) -> Known:
    """Read the names of a stream in the executors, a task for each kind and part."""
    parts, begins = len(manifest.parts), {}
    for kind in kinds:
        files = [folder / part.folder / f"{kind.file}.parquet" for part in manifest.parts]
        counts = (pl.scan_parquet(file, glob=False).select(pl.len()).collect().item() for file in files)
        begins[kind.place] = list(accumulate(counts, initial=0))
    tasks = [(kind.place, kind.file, part) for kind in kinds for part in range(parts)]

    def task(numbers: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for table in numbers:
            for number in table["id"]:
                kind, file, part = tasks[number]
                (names,) = new_names(folder, _only(manifest, part), file)
                ids = pl.int_range(begins[kind][part], begins[kind][part + 1], eager=True)
                found = pl.DataFrame({"value": names.cast(pl.String), "id": ids})
                yield found.with_columns(kind=pl.lit(kind, pl.Int32))

    every = spark.range(0, len(tasks), 1, len(tasks))
    names = mapped(every, task, {"kind": "int", "value": "string", "id": "bigint"})
    return Known(keep(names, stack), {kind: begin[-1] for kind, begin in begins.items()})


def _only(manifest: Manifest, number: int) -> Manifest:
    """The manifest with one of its parts."""
    return Manifest(manifest.history, manifest.carry, 0, {}, manifest.parts[number : number + 1])


def distinct(rows: DataFrame, kinds: Sequence[Kind], order: str, stack: ExitStack) -> DataFrame:
    """The names of rows: ``kind``, ``value``, its ``first`` place, and its ``count`` of rows.

    The first place is the row's in the column ``order``, and for lists this times the most names of a row, plus the
    place in the list.
    """
    most = by_kind({kind.place: kind.most or 1 for kind in kinds})
    names = rows.select(order, F.inline(F.concat(*(kind.names for kind in kinds))))
    first = F.min(F.col(order) * most + F.col("place")).alias("first")
    return keep(names.groupBy("kind", "value").agg(first, F.count("*").alias("count")), stack)


@dataclass(frozen=True)
class Ids:
    """The ids of the names of rows.

    Attributes:
        kinds: the kinds of the names.
        all: ``kind``, ``value`` and ``id`` of the names that the rows have.
        new: those of them that are new in the stream, with their ``first`` places.
        known: the number of names that the stream had, by the place of their kind.
        counts: the number of names that it has now, likewise.
    """

    kinds: Sequence[Kind]
    all: DataFrame
    new: DataFrame
    known: Mapping[int, int]
    counts: Mapping[int, int]

    def __add__(self, other: Ids) -> Ids:
        """These ids and those of other kinds, by the places of the kinds."""
        kinds = sorted([*self.kinds, *other.kinds], key=lambda kind: kind.place)
        every, new = self.all.unionByName(other.all), self.new.unionByName(other.new)
        return Ids(kinds, every, new, {**self.known, **other.known}, {**self.counts, **other.counts})


def ids_of(names: DataFrame, known: Known | None, kinds: Sequence[Kind], stack: ExitStack) -> Ids:
    """Number names by their first appearance, after those that are known."""
    had = {kind.place: 0 if known is None else known.counts[kind.place] for kind in kinds}
    key = ["kind", "value"]
    unknown = names if known is None else names.join(known.names, key, "left_anti")
    made = numbered(unknown, ["kind", "first"], "number", stack)
    more = {row["kind"]: row["count"] for row in collected(made.frame.groupBy("kind").count())}
    starts, begin = {}, 0
    for place in sorted(had):
        starts[place] = had[place] - begin
        begin += more.get(place, 0)
    id_ = (F.col("number") + by_kind(starts)).cast("bigint").alias("id")
    new = made.frame.select(*key, id_, "first")
    every = new.drop("first")
    every = every if known is None else every.unionByName(known.names.join(names, key, "left_semi"))
    return Ids(kinds, every, new, had, {place: before + more.get(place, 0) for place, before in had.items()})


def with_ids(rows: DataFrame, ids: Ids, order: str) -> DataFrame:
    """Replace the names of rows, which ``order`` numbers, by their ids: int, and for lists an array of int."""
    lists = [kind for kind in ids.kinds if kind.most is not None]
    if lists:
        entries = rows.select(order, F.inline(F.concat(*(kind.names for kind in lists))))
        of_kind = ((kind, F.when(F.col("kind") == kind.place, F.struct("place", "id"))) for kind in lists)
        in_order = (
            F.transform(F.array_sort(F.collect_list(entry)), lambda one: one["id"].cast("int")).alias(kind.id)
            for kind, entry in of_kind
        )
        found = entries.join(ids.all, ["kind", "value"]).groupBy(order).agg(*in_order)
        rows = rows.drop(*(kind.name for kind in lists)).join(found, order, "left")
        nothing = F.array().cast("array<int>")
        rows = rows.withColumns({kind.id: F.coalesce(kind.id, nothing) for kind in lists})
    for kind in ids.kinds:
        if kind.most is None:
            own = ids.all.where(F.col("kind") == kind.place)
            named = own.select(F.col("value").alias(kind.name), F.col("id").cast("int").alias(kind.id))
            rows = rows.join(named, kind.name).drop(kind.name)
    return rows
