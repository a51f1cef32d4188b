"""Rankings that need no model, beside which every model is shown: by popularity, and by the user's latest item.

    popularity    decayed count of an item's positives ─────────────▶ the same list for every user
    last_item     what came after the user's latest item, by count ─▶ then all others by popularity

Both know what the model knows: the rows before the period.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.following import Following
from asmg_pl.serving.sided import Side, SidedModel, tensors


class Popularity(SidedModel):
    """Scores an item by its share of the positives.

    Examples:
        >>> popularity = Popularity(torch.tensor([0.25, 0.75]))
        >>> popularity.matrix((torch.tensor([0, 1]),), popularity.item_side(torch.tensor([1, 0]))).tolist()
        [[0.75, 0.25], [0.75, 0.25]]
    """

    def __init__(self, share: Tensor) -> None:
        """Take the shares.

        Args:
            share: of each item that may be asked for, float64 [items].
        """
        self._share = share

    def user_side(self, rows: Batch) -> Side:
        """Nothing of users counts."""
        return (rows.user,)

    def item_side(self, items: Tensor) -> Side:
        """The shares."""
        return (self._share[items],)

    def join(self, user: Side, item: Side) -> Tensor:
        """The shares [B]."""
        return self.matrix(user, item)[0]

    def matrix(self, user: Side, item: Side) -> Tensor:
        """The shares [U, B]."""
        (users,), (share,) = tensors(user), tensors(item)
        return share.expand(len(users), -1)


class LastItem(SidedModel):
    """Scores an item by how often it came right after the user's latest one; items that never did, by their share."""

    def __init__(self, following: Following, share: Tensor) -> None:
        """Take the counts.

        Args:
            following: what came after what.
            share: of each item that may be asked for, float64 [items].
        """
        self._following, self._share = following, share

    def user_side(self, rows: Batch) -> Side:
        """The latest items, -1 without one, int64 [U]."""
        if not rows.history.shape[1]:
            return (torch.full_like(rows.user, -1),)
        return (torch.where(rows.history_length > 0, rows.history[:, 0], -1),)

    def item_side(self, items: Tensor) -> Side:
        """The ids."""
        return (items,)

    def join(self, user: Side, item: Side) -> Tensor:
        """Scores [B]: above 1 for an item that came after the latest one, the share for another."""
        (latest,), (items,) = tensors(user), tensors(item)
        scores = self._share[items]
        after, counts = self._following.after(int(latest)) if int(latest) >= 0 else (np.zeros(0), np.zeros(0))
        if not len(after):
            return scores
        asked = items.cpu().numpy()
        place = np.searchsorted(after, asked).clip(max=len(after) - 1)
        found = np.where(after[place] == asked, 1 + counts[place], 0.0)
        return torch.maximum(scores, torch.from_numpy(found).to(scores.device))
