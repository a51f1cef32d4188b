"""Item vectors for a search, such as one for the largest dot products in an index of faiss.

items.parquet    name, vector           with the items' names
items.npy        float32 [n, D]         the same vectors, in the same order
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from asmg_pl.serving.arrays import CHUNK, Rows, write_array
from asmg_pl.serving.formats.towers import Towers
from asmg_pl.serving.package import Package
from asmg_pl.serving.sided import Known
from asmg_pl.serving.values import StoredValues


@torch.no_grad()
def item_vectors(towers: Towers, items: Tensor, known: Known) -> Iterator[Tensor]:
    """The vectors of items, float32 [n, D] at a time.

    Args:
        towers: of the serving model.
        items: int64 [items].
        known: what is known of them.
    """
    for ids in items.split(CHUNK):
        yield towers.item_vectors(known.rows(ids)).float()


def write_item_vectors(package: Package, towers: Towers, folder: Path) -> np.ndarray:
    """Write the vectors of the items that have a row of their own, with the latest values of their features.

    Args:
        package: of the model.
        towers: of its serving model.
        folder: which gets the files.

    Returns:
        The vectors, float32 [n, D], mapped.
    """
    import polars as pl  # which no other part of the serving side needs

    known = Known(package.sizes, package.catalogue, StoredValues.of(package).of_items)
    has_name = package.has_name("item")
    items = torch.from_numpy(np.flatnonzero(has_name))
    width = next(item_vectors(towers, items[:1], known)).shape[1]
    rows = Rows((len(items), width), torch.float32, lambda: item_vectors(towers, items, known))
    write_array(rows, folder / "items.npy")
    vectors: np.ndarray = np.load(folder / "items.npy", mmap_mode="r")
    names = pl.read_parquet(package.folder / "ids" / "item.parquet")["name"].filter(pl.Series(has_name))
    column = pl.Series("vector", vectors, dtype=pl.Array(pl.Float32, width))
    pl.DataFrame([names, column]).write_parquet(folder / "items.parquet")
    return vectors
