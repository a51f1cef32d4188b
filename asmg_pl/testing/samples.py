"""Small data for the checks: a mini-batch made by hand, and a stream on which everything grows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from asmg_pl.data import Batch, InteractionLog, Sizes
from asmg_pl.data.sizes import Feature
from asmg_pl.data.sources import Source
from asmg_pl.recommenders.features import Part

#: Histories of these lengths; all of them have as many places as the longest one.
LENGTHS = (4, 0, 2, 1, 3, 4)


def sample_batch(sizes: Sizes, history: bool = True) -> Batch:
    """Six rows of a stream with these sizes, among them one without a history.

    Args:
        sizes: numbers of users, items and categories (0: none), and the features (none: no column of that kind).
        history: whether histories have places at all.
    """
    draw = torch.Generator().manual_seed(0)
    rows, places = len(LENGTHS), max(LENGTHS) if history else 0
    length = torch.tensor(LENGTHS).clamp(max=places)
    past = torch.randint(1, sizes.items, (rows, places), generator=draw)
    past[torch.arange(places) >= length[:, None]] = 0
    categories = None
    if sizes.categories:
        categories = torch.randint(sizes.categories, (sizes.items, 2), generator=draw)
        categories[0] = -1  # an item without a category
        categories[1::2, 1] = -1  # and items with one
    columns = [torch.randint(values, (rows,), generator=draw) for values in sizes.context]
    numbers = 5 + 3 * torch.randn(rows, len(sizes.numbers), generator=draw)
    numbers[2:4] = torch.nan  # two rows whose numbers are missing
    lists = [torch.randint(-1, feature.values, (rows, 3), generator=draw) for feature in sizes.lists]
    return Batch(
        user=torch.randint(sizes.users, (rows,), generator=draw),
        item=torch.randint(sizes.items, (rows,), generator=draw),
        history=past,
        history_length=length,
        label=torch.tensor([1.0, 0, 0, 1, 1, 0]),
        categories=categories,
        context=torch.stack(columns, dim=1) if columns else None,
        numbers=numbers if sizes.numbers else None,
        lists=torch.stack(lists, dim=1) if lists else None,
    )


def rows_of(batch: Batch, rows: slice) -> Batch:
    """Some rows of a mini-batch."""
    kept = {"categories": batch.categories, "share": batch.share}
    return Batch(**{n: x if n in kept or x is None else x[rows] for n, x in batch._asdict().items()})


def of_side(batch: Batch, sizes: Sizes, side: Part) -> Batch:
    """A mini-batch in which the values of the other side's features are gone: 0, NaN, or no value of a list."""

    def kept(column: Tensor | None, features: Sequence[Feature], gone: float) -> Tensor | None:
        if column is None:
            return None
        others = torch.tensor([not side.has(feature) for feature in features])
        return column.masked_fill(others.view(1, -1, *[1] * (column.ndim - 2)), gone)

    return batch._replace(
        context=kept(batch.context, sizes.context_features, 0),
        numbers=kept(batch.numbers, sizes.numbers, torch.nan),
        lists=kept(batch.lists, sizes.lists, -1),
    )


class GrowingStream(Source):
    """Users, items, categories and values of a context feature appear all along the stream.

    A shorter stream is the beginning of a longer one.
    """

    def __init__(self, rows: int, turned: range = range(0)) -> None:
        """Describe the stream.

        Args:
            rows: how many rows it has.
            turned: rows whose label is turned round.
        """
        self.rows = rows
        self.turned = turned

    def read(self, root: Path | None) -> InteractionLog:
        """Draw the stream; ``root`` is not used."""
        row = np.arange(self.rows)
        draw = np.stack([np.random.default_rng(number).random(self.rows) for number in range(4)])
        user, item = (draw[0] * (9 + row / 9)).astype(int), (draw[1] * (12 + row / 7)).astype(int)
        label = draw[2] < np.where((user + item) % 3, 0.2, 0.8)
        label ^= np.isin(row, np.asarray(self.turned))
        device = (draw[3] * (3 + row / 40)).astype(int)
        rows = pl.DataFrame({"user": user, "item": item, "label": label, "time": row, "device": device})
        known = np.unique(item)
        categories = [[i % 4, 4 + i // 9][: 1 + i // 30] for i in known.tolist()]
        catalogue = pl.DataFrame({"item": known, "categories": categories})
        # All rows enter histories, so that turning a label changes no later row's history.
        return InteractionLog.from_frame(rows, catalogue, positive_history=False)
