"""Dot products: recommenders in which user and item meet nowhere else, so that item vectors can be searched.

user, history, context ─▶ user vector ─┐
                                       ├─▶ dot product + offset of the user ─▶ logit
item, its categories ───▶ item vector ─┘

An offset does not depend on the item. So the items of the largest dot products have the largest logits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.recommenders.lookup import Lookup


@runtime_checkable
class DotProduct(Protocol):
    """A recommender whose logit is ``(user_vectors · item_vectors) + offsets``, up to rounding.

    A bias of the item is a number of its vector, which meets a 1 in the user's.

    Examples:
        >>> from asmg_pl.data import Sizes
        >>> from asmg_pl.recommenders import EmbeddingMLP, MatrixFactorization, TwoTower
        >>> sizes = Sizes(users=9, items=9)
        >>> [isinstance(kind(sizes), DotProduct) for kind in (TwoTower, MatrixFactorization, EmbeddingMLP)]
        [True, True, False]
    """

    def user_vectors(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """The users' vectors, float [B, D]; item and categories make no difference, and there may be no categories."""

    def item_vectors(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """The items' vectors, float [B, D]; user, history and context make no difference.

        The history may have no entry (T = 0), and there may be no context.
        """

    def offsets(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """What is added to the dot products of a user, float [B]."""
