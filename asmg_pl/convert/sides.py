"""Features of users and items, which each row gets as they were at its time.

    users      user  since  age          rows     user  time   age
               7     10     30                    7     5      NaN     nothing was known yet
               7     20     31                    7     19     30
                                                  7     20     31      never a later value

A file without a time has one value for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from asmg_pl.data.tables.columns import Column
from asmg_pl.errors import DataError

_MISSING = {
    "context ": pl.lit(""),
    "number ": pl.lit(float("nan"), pl.Float32),
    "list ": pl.lit([], pl.List(pl.String)),
}
#: How the roles of features begin.
KINDS = tuple(_MISSING)


class Side(NamedTuple):
    """The features of users or of items.

    Attributes:
        name: ``user`` or ``item``.
        table: columns ``user`` or ``item``, one for each role of a feature, and ``time`` in seconds if they change.
    """

    name: str
    table: pl.DataFrame

    @classmethod
    def of(cls, name: str, table: pl.DataFrame, columns: Sequence[Column], second: pl.Expr) -> Side | None:
        """The features in the rows of a file; ``None`` if the file has no features.

        Args:
            name: ``user`` or ``item``.
            table: the rows, with a column for each role.
            columns: the columns that were read.
            second: an expression that turns the column ``time`` into seconds.

        Raises:
            DataError: if an id has several values that do not change with time.
        """
        features = [column.role for column in columns if column.role.startswith(KINDS)]
        if not features:
            return None
        if "time" in table.columns:
            return cls(name, table.select(name, "time", *features).with_columns(time=second))
        table = table.select(name, *features).unique(maintain_order=True)
        if (twice := table[name].is_duplicated()).any():
            raise several_values(name, table.filter(twice)[name][0])
        return cls(name, table)

    def join(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, bool]:
        """Give each row the features as of its time.

        Args:
            rows: columns ``user``, ``item`` and ``time`` in seconds, by time.

        Returns:
            The rows with a column for each role, and whether any row has found its id.
        """
        features = [name for name in self.table.columns if name not in (self.name, "time")]
        id_ = pl.col(self.name).cast(rows.schema[self.name], strict=False)  # of another type, it is in no row
        table = self.table.with_columns(id_, found=pl.lit(True)).drop_nulls(self.name)
        if "time" in table.columns:
            table = table.sort("time", maintain_order=True)
            joined = rows.join_asof(table, on="time", by=self.name, strategy="backward", check_sortedness=False)
        else:
            joined = rows.join(table, on=self.name, how="left", maintain_order="left")
        missing = {role: value for role in features for kind, value in _MISSING.items() if role.startswith(kind)}
        filled = joined.with_columns(pl.col(role).fill_null(value) for role, value in missing.items())
        return filled.drop("found"), bool(joined["found"].any())


def several_values(name: str, shown: int | str) -> DataError:
    """The error about a user or item with several values that do not change with time."""
    return DataError(
        f"{name} {shown!r} has several values in the file of {name}s: keep one row of it, or name the column with the "
        f"time of each row with --{name}-time"
    )
