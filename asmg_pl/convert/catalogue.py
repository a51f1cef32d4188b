"""The catalogue that a file of items gives."""

from __future__ import annotations

import polars as pl

from asmg_pl.data.tables.lists import several


def catalogue_of(table: pl.DataFrame, kind: pl.DataType, separator: str) -> pl.DataFrame:
    """The catalogue: ``item``, with its type in the stream, and ``categories``, all that the item has."""
    item = pl.col("item").cast(kind, strict=False)  # an id of another type is no item of this stream
    categories = several(pl.col("categories"), separator)
    pairs = table.select(item, categories).drop_nulls("item").explode("categories")
    pairs = pairs.drop_nulls("categories").unique(maintain_order=True)
    return pairs.group_by("item", maintain_order=True).agg("categories")
