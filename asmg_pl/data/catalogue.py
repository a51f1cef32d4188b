"""The catalogue: which categories each item has, and since when.

    rows      0 … 99           100 … 149                150 …
              ──────────────   ──────────────────────   ─────────────────────
    item 3    none             [4]                      [4]         its category arrived with row 100
    item 7    [1]              [1]                      [2 5]       others arrived with row 150

A stream keeps the newest table, and each update with what was there before it, so that any earlier table can be had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor

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


@dataclass(frozen=True, eq=False)
class Update:
    """Categories that items have from some row on, and other ones, or none, before it.

    Attributes:
        row: the first row for which they count.
        items: int64 [m].
        after: their categories from then on, int64 [m, C] padded with -1.
        before: their categories until then, likewise.
    """

    row: int
    items: Tensor
    after: Tensor
    before: Tensor


def build(first: Sequence[np.ndarray], updates: Sequence[tuple[int, np.ndarray, np.ndarray]]) -> Tables:
    """The newest table of a catalogue, and its updates.

    Args:
        first: what was known of items when they first appeared, int32 [n, C] each, C may differ; one below the other
            they are the whole catalogue.
        updates: what was known later, in the order of time: from which row on, items int32 [m], and their categories
            int32 [m, C].
    """
    tables = [*first, *(after for _, _, after in updates)]
    width = max((table.shape[1] for table in tables), default=0)
    padded = [np.pad(table, ((0, 0), (0, width - table.shape[1])), constant_values=-1) for table in tables]
    newest = torch.from_numpy(np.concatenate(padded[: len(first)]).astype(np.int64))
    kept = []
    for (row, numbers, _), table in zip(updates, padded[len(first) :], strict=True):
        items, after = torch.from_numpy(numbers).long(), torch.from_numpy(table).long()
        kept.append(Update(row, items, after, newest[items]))
        newest[items] = after
    return newest, tuple(kept)


#: The newest table, int64 [items, C] padded with -1, and the updates that led to it, the oldest first.
Tables = tuple[Tensor, tuple[Update, ...]]


def as_of(row: int, newest: Tensor, updates: Sequence[Update]) -> Tensor:
    """The table that counts for a row: what had arrived by then, and of items that came later what they came with."""
    later = [update for update in updates if update.row > row]
    if not later:
        return newest
    table = newest.clone()
    for update in reversed(later):
        table[update.items] = update.before.to(table.device)
    return table


def changes(known: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Which items have other categories than are known, where some are given; bool [items].

    Args:
        known: int [items, C] padded with -1; in which order an item's categories stand makes no difference.
        given: likewise, of any width; an item with none is one of which nothing is said.
    """
    width = max(known.shape[1], given.shape[1])
    one, other = (
        np.sort(np.pad(table, ((0, 0), (0, width - table.shape[1])), constant_values=-1), axis=1)
        for table in (known, given)
    )
    changed: np.ndarray = (given >= 0).any(axis=1) & (one != other).any(axis=1)
    return changed
