"""Fields that the recommenders share: user, item, means over a history and over categories, features.

                       real entries                  known categories
    history_share  [1/2 1/2  0  0]     category_share  [1/3 1/3 1/3  0]     padding weighs 0, a row sums to 1 or 0

A share weighs the ids that :meth:`~asmg_pl.recommenders.lookup.Lookup.weighted_sum` adds up, which makes it a mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.recommenders.features import FeatureTables, mean_share
from asmg_pl.recommenders.kernels import fields as kernel
from asmg_pl.recommenders.kernels.side_by_side import Given, Part, side_by_side
from asmg_pl.recommenders.lookup import Lookup


def items_of(batch: Batch) -> Tensor:
    """Each row's item and its history side by side, int64 [B, 1+T]."""
    return torch.cat([batch.item[:, None], batch.history], dim=1)


def category_ids(catalogue: Tensor, items: Tensor) -> Tensor:
    """The categories [*items.shape, C] of ``items`` from the catalogue [N, C]; padding becomes category 0."""
    if kernel.runs(items.device):
        return kernel.categories(catalogue, items)
    return F.embedding(items, catalogue).clamp(min=0)  # a tenth of the time that catalogue[items] takes


def history_share(batch: Batch) -> Tensor:
    """Weights [B, T] of a mean over each history's real entries; all 0 for an empty history."""
    return real_entries(batch) / batch.history_length.clamp(min=1)[:, None]


def real_entries(batch: Batch) -> Tensor:
    """Which entries of each history are real, bool [B, T]; the others are padding."""
    places = torch.arange(batch.history.shape[1], device=batch.user.device)
    return places < batch.history_length[:, None]


def category_share(catalogue: Tensor, items: Tensor) -> Tensor:
    """Weights [*items.shape, C] of a mean over each item's known categories; all 0 for an item without categories."""
    return mean_share(F.embedding(items, catalogue))


def field_tables(sizes: Sizes) -> dict[str, int]:
    """The tables that :func:`field_ids` asks, with their numbers of rows."""
    tables = {"user": sizes.users, "item": sizes.items}
    if sizes.categories:
        tables["category"] = sizes.categories
    return tables | FeatureTables(sizes).tables


def field_sides(sizes: Sizes) -> list[bool]:
    """For each vector that :func:`joined_fields` gives, whether it is of the item's side."""
    return [
        *([False, False, False, True, True] if sizes.categories else [False, False, True]),
        *FeatureTables(sizes).of_item,
    ]


def field_ids(batch: Batch, features: FeatureTables) -> dict[str, Tensor]:
    """The ids whose vectors :func:`joined_fields` needs.

    User [B]; item and history side by side [B, 1+T]; their categories [B, 1+T, C]; each context feature [B]; each
    multi-valued feature [B, L].
    """
    items = items_of(batch)
    ids = {"user": batch.user, "item": items}
    if batch.categories is not None:
        ids["category"] = category_ids(batch.categories, items)
    return ids | features.ids(batch)


def field_shares(batch: Batch) -> tuple[Tensor, Tensor | None]:
    """The shares of histories [B, T] and, with categories, of the categories of item and history [B, 1+T, C]."""
    categories = None if batch.categories is None else category_share(batch.categories, items_of(batch))
    return history_share(batch), categories


def joined_fields(batch: Batch, lookups: Mapping[str, Lookup], features: FeatureTables) -> Tensor:
    """One vector for each field of a row, one after the other, float [B, F, D]; see :func:`joined_columns`."""
    return joined_columns(batch, lookups, features).unflatten(1, (-1, lookups["user"].weight.shape[1]))


def joined_columns(
    batch: Batch, lookups: Mapping[str, Lookup], features: FeatureTables, beside: Sequence[Tensor] = ()
) -> Tensor:
    """The vectors of a row's fields side by side, and further columns; in C++ where it can be.

    Args:
        batch: the mini-batch.
        lookups: the lookups of the ids that :func:`field_ids` names, from tables of one width D.
        features: those that the stream has beside user, item and history.
        beside: the further columns, float [B, …] each.

    Returns:
        The fields user, history, [the history's categories,] item, [the item's categories,] and each feature, of D
        columns each, and the further columns, float [B, N].
    """
    if kernel.computes(batch, lookups):
        parts: list[Part] = [kernel.Fields(batch, lookups), *features.parts(batch, lookups), *map(Given, beside)]
        return side_by_side(parts, len(batch.user))
    history, categories = field_shares(batch)
    past, item = past_fields(lookups, history, categories), item_fields(lookups, categories)
    found = [*past, *item, *features.fields(batch, lookups), *(each.flatten(1) for each in beside)]
    return torch.cat(found, dim=1)


def past_fields(lookups: Mapping[str, Lookup], history: Tensor, categories: Tensor | None) -> list[Tensor]:
    """The first of these fields: user, history[, the history's categories].

    Args:
        lookups: see :func:`joined_fields`.
        history: weights of the histories' entries, float [B, T].
        categories: weights of the categories of item and history, float [B, 1+T, C], or ``None``.
    """
    past = slice(1, None)
    found = [lookups["user"].vectors(), lookups["item"].columns(past).weighted_sum(history)]
    if categories is not None:
        shares = categories[:, past] * history[..., None]
        found.append(lookups["category"].columns(past).weighted_sum(shares))
    return found


def item_fields(lookups: Mapping[str, Lookup], categories: Tensor | None) -> list[Tensor]:
    """The fields after them: item[, the item's categories]."""
    found = [lookups["item"].columns(0).vectors()]
    if categories is not None:
        found.append(lookups["category"].columns(0).weighted_sum(categories[:, 0]))
    return found
