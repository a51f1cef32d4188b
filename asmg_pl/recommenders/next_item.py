"""Next-item models: a state that reads the history in order, and its dot product with the item's vector.

latest items ──▶ embedding each ─▶ states, each of an entry and those before it ─▶ state of the latest ─┐
                                                                                                        ├─▶ · ─▶ logit
item ──────────▶ embedding, in the same table ──────────────────────────────────────────────────────────┘
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.recommenders.base import Recommender, glorot_uniform_
from asmg_pl.recommenders.lookup import Lookup
from asmg_pl.recommenders.pooling import real_entries
from asmg_pl.recommenders.sides import Side, TwoSided


class NextItem(TwoSided, Recommender):
    """A model of the next item: a subclass turns the vectors of a history into states.

    There is one table, of items. Users, categories and context features are not used, so that a new user is known by
    the first item. A user without a history has a learned state. It is a
    :class:`~asmg_pl.recommenders.DotProduct` model, so item vectors can be searched.

    Attributes:
        places: how many entries of a history are read.
        newcomer: the state of a user without a history, float [D].

    Examples:
        One whose state is the vector of the latest item:

        >>> class LatestItem(NextItem):
        ...     def __init__(self, sizes):
        ...         super().__init__(sizes, embedding_dim=8, places=1)
        ...
        ...     def states(self, past, real, newest=None):
        ...         return past[:, :newest]
        >>> from asmg_pl.testing import check_recommender
        >>> check_recommender(LatestItem)
    """

    def __init__(self, sizes: Sizes, embedding_dim: int, places: int) -> None:
        """Build the table of items and the state of users without a history.

        Args:
            sizes: of which the number of items is used.
            embedding_dim: width D of item vectors and states.
            places: how many entries of a history are read, the latest ones.
        """
        super().__init__()
        self.places = places
        self.tables = nn.ModuleDict({"item": nn.Embedding(sizes.items, embedding_dim)})
        self.newcomer = nn.Parameter(torch.empty(embedding_dim))
        glorot_uniform_(self.newcomer.data)
        glorot_uniform_(self.stored("item").data)

    @abstractmethod
    def states(self, past: Tensor, real: Tensor, newest: int | None = None) -> Tensor:
        """The state at each entry of the histories, which depends on this entry and earlier ones alone.

        Args:
            past: the entries' vectors, the latest first, float [B, T, D]; T is at least 1.
            real: which entries are real, bool [B, T]; the others follow them, and their states mean nothing.
            newest: how many states are wanted, the latest ones; by default all.

        Returns:
            float [B, T, D], or fewer than T.
        """

    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        """Ids: item and the latest entries of its history side by side [B, 1+T]."""
        return {"item": torch.cat([batch.item[:, None], batch.history[:, : self.places]], dim=1)}

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """Logits [B]."""
        return self.join(self.user_side(batch, lookups), self.item_side(batch, lookups))

    def user_side(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Side:
        """The user's state, float [B, D]."""
        return (self.user_vectors(batch, lookups),)

    def item_side(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Side:
        """The item's vector, float [B, D]."""
        return (self.item_vectors(batch, lookups),)

    def join(self, user: Side, item: Side) -> Tensor:
        """Logits [B]."""
        return (user[0] * item[0]).sum(-1)

    def user_vectors(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """The state at the latest entry, float [B, D]."""
        past = lookups["item"].columns(slice(1, None)).vectors()
        if not past.shape[1]:
            return self.newcomer.expand(past.shape[0], -1)
        real = real_entries(batch)[:, : self.places]
        return torch.where(real[:, :1], self.states(past, real, newest=1)[:, 0], self.newcomer)

    def item_vectors(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """The item's vector, float [B, D]."""
        return lookups["item"].columns(0).vectors()

    def offsets(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """Nothing is added, float [B]."""
        return self.newcomer.new_zeros(batch.item.shape[0])
