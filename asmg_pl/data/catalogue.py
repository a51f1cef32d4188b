"""The catalogue: the categories of each item, and since when they count.

    rows      0 … 99           100 … 149                150 …
              ──────────────   ──────────────────────   ─────────────────────
    item 3    none             [4]                      [4]         its category arrives with row 100
    item 7    [1]              [1]                      [2 5]       its categories change with row 150

A stream keeps the newest catalogue. Each update also keeps the categories before it, so every earlier catalogue can be
restored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import polars as pl

from asmg_pl.data.names import Names, plain
from asmg_pl.errors import DataError
from asmg_pl.system.lazy import later

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = later("torch")


def plain_catalogue(catalogue: pl.DataFrame) -> pl.DataFrame:
    """Give each item one row, its first: ``item`` (Int64 or String) and ``categories`` (a list of either).

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
        catalogue: the result of :func:`plain_catalogue`. An item without a row in it has no categories.
        known: the categories numbered so far.

    Returns:
        The ids, int32 [items, C] padded with -1, and all categories numbered so far.

    Raises:
        DataError: if items are integers in the catalogue and strings in the rows, or the other way round.
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
    ids = np.full((len(items), int(position.max(initial=-1)) + 1), -1, dtype=np.int32)
    ids[item, position] = category
    return ids, known


@dataclass(frozen=True, eq=False)
class Update:
    """A change of some items' categories with one row.

    Attributes:
        row: the first row for which they count.
        items: int64 [m].
        after: their categories from this row on, int64 [m, C] padded with -1.
        before: their categories before this row, int64 [m, C] padded with -1.
    """

    row: int
    items: Tensor
    after: Tensor
    before: Tensor


def build(first: Sequence[np.ndarray], updates: Sequence[tuple[int, np.ndarray, np.ndarray]]) -> Catalogue:
    """Build the newest catalogue and its updates.

    Args:
        first: the categories that items had when they first appeared, int32 [n, C] each; C may differ. Stacked, they
            cover all items.
        updates: later changes in the order of time: the first row for which they count, items int32 [m], and their
            categories int32 [m, C].
    """
    pieces = [*first, *(after for _, _, after in updates)]
    width = max((piece.shape[1] for piece in pieces), default=0)
    padded = [np.pad(piece, ((0, 0), (0, width - piece.shape[1])), constant_values=-1) for piece in pieces]
    newest = torch.from_numpy(np.concatenate(padded[: len(first)]).astype(np.int64))
    kept = []
    for (row, numbers, _), given in zip(updates, padded[len(first) :], strict=True):
        items, after = torch.from_numpy(numbers).long(), torch.from_numpy(given).long()
        kept.append(Update(row, items, after, newest[items]))
        newest[items] = after
    return newest, tuple(kept)


#: The newest catalogue, int64 [items, C] padded with -1, and the updates that led to it, the oldest first.
Catalogue: TypeAlias = "tuple[Tensor, tuple[Update, ...]]"


def as_of(row: int, newest: Tensor, updates: Sequence[Update]) -> Tensor:
    """The catalogue that counts for a row. Later items have the categories with which they first appeared."""
    later = [update for update in updates if update.row > row]
    if not later:
        return newest
    earlier = newest.clone()
    for update in reversed(later):
        earlier[update.items] = update.before.to(earlier.device)
    return earlier


def changes(known: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Whether an item is given categories that differ from its known ones, bool [items].

    Args:
        known: int [items, C] padded with -1; the order of an item's categories makes no difference.
        given: int [items, C'] padded with -1; an item without categories keeps the known ones.
    """
    width = max(known.shape[1], given.shape[1])
    one, other = (
        np.sort(np.pad(ids, ((0, 0), (0, width - ids.shape[1])), constant_values=-1), axis=1) for ids in (known, given)
    )
    changed: np.ndarray = (given >= 0).any(axis=1) & (one != other).any(axis=1)
    return changed
