"""The catalogue: which categories each item has."""

from __future__ import annotations

import numpy as np
import polars as pl

from asmg_pl.data.names import Names, plain
from asmg_pl.errors import DataError


def plain_catalogue(catalogue: pl.DataFrame) -> pl.DataFrame:
    """One row per item: ``item`` (Int64 or String) and ``categories`` (a list of either); an item's first row counts.

    Raises:
        DataError: if a column is missing or of another type.
    """
    for name in ("item", "categories"):
        if name not in catalogue.columns:
            raise DataError(f"the catalogue has no column {name!r}, only {catalogue.columns}")
    kind = catalogue["categories"].dtype
    if not isinstance(kind, pl.List | pl.Array):
        raise DataError(f"column 'categories' of the catalogue holds {kind}: make it a list for each item")
    inner = pl.Int64 if kind.inner.is_integer() else pl.String
    categories = pl.col("categories").cast(pl.List(inner))
    return catalogue.select(plain(catalogue["item"], "item"), categories).unique(
        "item", keep="first", maintain_order=True
    )


def number_categories(items: pl.Series, catalogue: pl.DataFrame, known: Names) -> tuple[np.ndarray, Names]:
    """The category ids of some items, numbered by first appearance.

    Args:
        items: the items' names.
        catalogue: as from :func:`plain_catalogue`, of the same items or others. An item without a row has no
            categories.
        known: the categories numbered so far.

    Returns:
        int32 [items, C] padded with -1, and the categories numbered by now.

    Raises:
        DataError: if names in the catalogue are integers and those in the rows strings, or the other way round.
    """
    if catalogue["item"].dtype != items.dtype:
        kinds = f"{items.dtype} in the rows and {catalogue['item'].dtype} in the catalogue"
        raise DataError(f"column 'item' holds {kinds}: cast one of them")
    joined = pl.DataFrame({"item": items, "id": np.arange(len(items))}).join(
        catalogue, on="item", how="left", maintain_order="left"
    )
    pairs = joined.select("id", "categories").explode("categories").drop_nulls()
    item = pairs["id"].to_numpy()
    category, known = known.number(pairs["categories"])
    position = np.arange(len(item)) - np.searchsorted(item, item)
    table = np.full((len(items), int(position.max(initial=-1)) + 1), -1, dtype=np.int32)
    table[item, position] = category
    return table, known


def stack(tables: list[np.ndarray]) -> np.ndarray:
    """Tables [n, C] of different widths one below the other, int64, padded with -1."""
    width = max((table.shape[1] for table in tables), default=0)
    whole = np.full((sum(map(len, tables)), width), -1, dtype=np.int64)
    row = 0
    for table in tables:
        whole[row : row + len(table), : table.shape[1]] = table
        row += len(table)
    return whole
