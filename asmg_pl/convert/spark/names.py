"""Gives names their ids by first appearance.

position  0 1 2 3     names of the rows      a b a c
                      first positions        a 0, b 1, c 3     one shuffle by name
                      ids                    a 0, b 1, c 2     one sort by first position
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import polars as pl
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from asmg_pl.convert.spark.ordering import keep, numbered
from asmg_pl.convert.spark.tasks import mapped
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
        integer: whether they are whole numbers, which a frame has as texts too.
        place: the place of the kind among all.
    """

    file: str
    name: str
    column: Column | None
    integer: bool
    place: int

    @property
    def id(self) -> str:
        """The column of a frame that holds the ids."""
        return f"id_{self.place}"


@dataclass(frozen=True)
class Known:
    """The names of a kind that a stream has, with columns ``value`` and ``id``.

    Attributes:
        names: the names; ``None`` for a new stream.
        count: their number.
    """

    names: DataFrame | None = None
    count: int = 0


def known_names(spark: Any, folder: Path, manifest: Manifest, kind: str, stack: ExitStack) -> Known:
    """Read the names of a stream in the executors, a task for each part."""
    files = [folder / part.folder / f"{kind}.parquet" for part in manifest.parts]
    counts = [pl.scan_parquet(file, glob=False).select(pl.len()).collect().item() for file in files]
    begins = list(accumulate(counts, initial=0))

    def task(numbers: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for table in numbers:
            for number in table["id"]:
                (names,) = new_names(folder, _only(manifest, number), kind)
                ids = pl.int_range(begins[number], begins[number + 1], eager=True)
                yield pl.DataFrame({"value": names.cast(pl.String), "id": ids})

    names = mapped(spark.range(0, len(files), 1, len(files)), task, {"value": "string", "id": "bigint"})
    return Known(keep(names, stack), begins[-1])


def _only(manifest: Manifest, number: int) -> Manifest:
    """The manifest with one of its parts."""
    return Manifest(manifest.history, manifest.carry, 0, {}, manifest.parts[number : number + 1])


def distinct(rows: DataFrame, kind: Kind, stack: ExitStack) -> DataFrame:
    """The names of rows: ``value``, its ``first`` position, and its ``count`` of rows."""
    by_name = rows.groupBy(F.col(kind.name).alias("value"))
    return keep(by_name.agg(F.min("position").alias("first"), F.count("*").alias("count")), stack)


@dataclass(frozen=True)
class Ids:
    """The ids of the names of rows.

    Attributes:
        kind: the kind of the names.
        all: ``value`` and ``id`` of the names that the rows have.
        new: those of them that are new in the stream, with their ``first`` positions.
        known: the number of names that the stream had.
        count: the number of names that it has now.
    """

    kind: Kind
    all: DataFrame
    new: DataFrame
    known: int
    count: int


def ids_of(names: DataFrame, known: Known, kind: Kind, stack: ExitStack) -> Ids:
    """Number names by their first appearance, after those that are known."""
    unknown = names if known.names is None else names.join(known.names, "value", "left_anti")
    made = numbered(unknown, ["first"], "id", stack, start=known.count)
    new = made.frame.select("value", "id", "first")
    every = new.drop("first")
    every = every if known.names is None else every.unionByName(known.names.join(names, "value", "left_semi"))
    return Ids(kind, every, new, known.count, known.count + made.rows)


def with_ids(rows: DataFrame, ids: Sequence[Ids]) -> DataFrame:
    """Replace the names of rows by their ids."""
    for one in ids:
        named = one.all.select(F.col("value").alias(one.kind.name), F.col("id").cast("int").alias(one.kind.id))
        rows = rows.join(named, one.kind.name).drop(one.kind.name)
    return rows
