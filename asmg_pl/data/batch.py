"""One mini-batch of interactions, as every recommender sees it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """``B`` interactions with the users' histories at the time of each of them.

    Attributes:
        user: user ids, int64 [B].
        item: item ids, int64 [B].
        history: the user's latest items strictly before the row's time, latest first, padded with 0, int64 [B, T].
        history_length: how many entries of ``history`` are real, int64 [B].
        label: 1 for a positive interaction and 0 for a negative one, float32 [B].
        categories: the stream's catalogue, category ids of *every* item, padded with -1, int64 [items, C]. It is the
            same tensor in every batch, not a copy. ``None`` for a stream without categories.
        context: the row's value of each of F categorical features, such as device or hour, int64 [B, F]. ``None`` for
            a stream without context features.
    """

    user: Tensor
    item: Tensor
    history: Tensor
    history_length: Tensor
    label: Tensor
    categories: Tensor | None = None
    context: Tensor | None = None
