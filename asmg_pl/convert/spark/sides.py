"""Features of users and items, which each row gets as they were at its time, from tasks that have some users or items.

The rules are those of :mod:`asmg_pl.convert.sides`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl
from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from asmg_pl.convert import sides
from asmg_pl.convert.spark.names import Kind
from asmg_pl.convert.spark.reading import Read, name_of, type_of
from asmg_pl.convert.spark.tasks import Task, collected, mapped


@dataclass(frozen=True)
class Side:
    """The features of users or of items.

    Attributes:
        name: ``user`` or ``item``.
        rows: ``value``, the id as a text, ``file`` and ``row``, ``time`` in seconds if they change, and a column for
            each feature.
        roles: the roles of the features, by column.
        types: their types, by column.
        timed: whether they change.
    """

    name: str
    rows: DataFrame
    roles: Mapping[str, str]
    types: Mapping[str, str]
    timed: bool

    @classmethod
    def of(cls, name: str, read: Read, second: Expression) -> Side | None:
        """The features in the rows of a file; ``None`` if the file has no features.

        Args:
            name: ``user`` or ``item``.
            read: the rows.
            second: an expression that turns the column ``time`` into seconds.

        Raises:
            DataError: if an id has several values that do not change with time.
        """
        columns = [column for column in read.columns if column.role.startswith(sides.KINDS)]
        if not columns:
            return None
        roles = {name_of(column.role): column.role for column in columns}
        timed = any(column.role == "time" for column in read.columns)
        rows = read.rows.withColumnRenamed(name, "value")
        rows = rows.withColumn("time", second) if timed else rows
        wanted = ["value", "file", "row", *(["time"] if timed else []), *roles]
        types = {name_of(column.role): type_of(column) for column in columns}
        found = cls(name, rows.select(*wanted), roles, types, timed)
        if not timed:
            found._check(read.tally.integers[name])
        return found

    def _check(self, integers: bool) -> None:
        """Refuse ids with several values."""
        firsts = self.rows.groupBy("value", *self.roles).agg(F.min(F.struct("file", "row")).alias("first"))
        values = firsts.groupBy("value").agg(F.count("*").alias("values"), F.min("first").alias("first"))
        (row,) = collected(values.where(F.col("values") > 1).agg(F.min_by("value", "first").alias("value")))
        if row["value"] is not None:
            raise sides.several_values(self.name, int(row["value"]) if integers else row["value"])

    @property
    def found(self) -> str:
        """The column that says whether a row, or one near it, has found its user or item."""
        return f"found_{self.name}"

    def join(self, rows: DataFrame, ids: DataFrame, kind: Kind) -> DataFrame:
        """Give each row the features as of its time.

        Args:
            rows: the rows with ids, ``time``, and their places, ``final``.
            ids: ``value`` and ``id`` of the users or items.
            kind: their kind.
        """
        value = F.col("value")
        if kind.integer:  # a text that is a number is the number, and any other is in no row
            value = F.when(value.rlike(r"^[+-]?[0-9]+$"), F.expr("cast(try_cast(value as bigint) as string)"))
        named = ids.select("value", F.col("id").cast("int").alias(kind.id))
        own = self.rows.withColumn("value", value).join(named, "value").drop("value")
        types = dict(rows.dtypes)
        every = rows.unionByName(own, allowMissingColumns=True).select(*types, "file", "row", *self.roles)
        ordered = every.repartition(kind.id)
        return mapped(ordered, self._task(kind.id, list(types)), {**types, **self.types, self.found: "boolean"})

    def _task(self, id_: str, columns: list[str]) -> Task:
        name, roles, timed, found = self.name, dict(self.roles), self.timed, self.found

        def task(tables: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
            pieces = list(tables)
            if not pieces:
                return
            table = pl.concat(pieces).rename({id_: name, **roles})
            is_row = pl.col("final").is_not_null()
            rows = table.filter(is_row).sort("final").select(name if column == id_ else column for column in columns)
            values = table.filter(~is_row).sort("file", "row")
            values = values.select(name, *(["time"] if timed else []), *roles.values())
            values = values if timed else values.unique(maintain_order=True)
            joined, any_found = sides.Side(name, values).join(rows)
            back = {name: id_} | {role: column for column, role in roles.items()}
            yield joined.rename(back).with_columns(pl.lit(any_found).alias(found))

        return task
