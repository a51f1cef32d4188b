"""The categories that an append brings: those of new items, and those that change for earlier items.

given with the append ─┬─▶ new items             catalogue.npy
entries that wait ─────┘   earlier items         catalogue-items.npy, catalogue-updates.npy
                           items to come         wait in the index
"""

from __future__ import annotations

import numpy as np
import polars as pl

from asmg_pl.data.catalogue import changes, number_categories, plain_catalogue
from asmg_pl.data.names import Names


def categorise(
    given: pl.DataFrame | None, waiting: pl.DataFrame | None, new: pl.Series, items: Names, categories: Names
) -> tuple[np.ndarray, pl.DataFrame | None, Names]:
    """Find the categories of new items.

    Args:
        given: the catalogue that is given now, with columns ``item`` and ``categories``; ``None`` if there is none.
        waiting: earlier entries of items that have not appeared yet.
        new: the names of the new items, by id.
        items: all items, with the new ones.
        categories: the categories numbered so far.

    Returns:
        The categories of the new items, int32 [new, C] padded with -1, the entries of items that are to come, and all
        categories numbered so far.
    """
    catalogue = waiting if given is None else plain_catalogue(given)
    if given is not None and waiting is not None:  # newer entries go before kept ones
        said = pl.col("categories").list.len() > 0
        catalogue = plain_catalogue(pl.concat([plain_catalogue(given).filter(said), waiting]))
    if catalogue is None:
        return np.zeros((len(new), 0), np.int32), None, categories
    ids, categories = number_categories(new, catalogue, categories)
    return ids, items.without(catalogue, "item"), categories


def update_categories(
    given: pl.DataFrame | None, known: pl.Series, newest: np.ndarray, categories: Names
) -> tuple[np.ndarray, np.ndarray, Names]:
    """Find the earlier items whose categories change.

    Args:
        given: the catalogue that is given now; ``None`` if there is none.
        known: the names of the items of earlier rows, by id.
        newest: their categories so far, int [known, C] padded with -1.
        categories: the categories numbered so far, with those of the new items.

    Returns:
        The items, int32 [m], their new categories, int32 [m, C], and all categories numbered so far.
    """
    if given is None or not len(known):
        return np.zeros(0, np.int32), np.zeros((0, 0), np.int32), categories
    found, grown = number_categories(known, plain_catalogue(given), categories)
    updated = np.flatnonzero(changes(newest, found))
    return updated.astype(np.int32), found[updated], grown if len(updated) else categories
