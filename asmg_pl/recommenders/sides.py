"""The two sides of a recommender: what depends on the user alone, what on the item alone, and how they meet.

user, history, their features and the row's ─▶ user's side [1, …] ─┐
                                                                   ├─▶ join ─▶ logits [B]
item, its categories, its features ──────────▶ items' side [B, …] ─┘

A request asks for many items of one user. Its user's side is computed once, not once for each item, and the items' side
can be made ahead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.recommenders.lookup import Lookup

#: Tensors whose first axis counts users, or items.
Side = tuple[Tensor, ...]


class TwoSided(ABC):
    """A recommender whose scores are those of a user's side and an item's side that are joined.

    For all rows, ``join(user_side(…), item_side(…))`` equals :meth:`~asmg_pl.recommenders.Recommender.score` up to
    rounding; :func:`asmg_pl.testing.check_recommender` checks it. A recommender without sides is scored as a whole.

    Examples:
        >>> from asmg_pl.data.sources import DriftingStream
        >>> from asmg_pl.recommenders import EmbeddingMLP, Lookup
        >>> log = DriftingStream(users=9, items=9, rows=99).read(None)
        >>> model, rows = EmbeddingMLP(log.sizes), log.batch(torch.arange(5), history_size=3)
        >>> lookups = {name: Lookup(model.table(name), ids) for name, ids in model.lookups(rows).items()}
        >>> logits = model.join(model.user_side(rows, lookups), model.item_side(rows, lookups))
        >>> torch.allclose(logits, model(rows), atol=1e-6)
        True
    """

    @abstractmethod
    def user_side(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Side:
        """What depends on user, history, and features of the user and of the row, float [B, …] each.

        Args:
            batch: whose ``item``, and values of the item's features, make no difference.
            lookups: of all ids that :meth:`~asmg_pl.recommenders.Recommender.lookups` names.
        """

    @abstractmethod
    def item_side(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Side:
        """What depends on item, its categories and its features, float [B, …] each.

        Args:
            batch: whose ``user``, ``history``, and values of other features than the item's, make no difference; a
                history may have no entry (T = 0), and ``context``, ``numbers`` and ``lists`` may be ``None`` where the
                item has no such feature.
            lookups: of all ids that :meth:`~asmg_pl.recommenders.Recommender.lookups` names.
        """

    @abstractmethod
    def join(self, user: Side, item: Side) -> Tensor:
        """Logits [B].

        Args:
            user: of one user or of B users.
            item: of B items.
        """


class SplitMLP:
    """An MLP whose first layer is applied to the user's fields and to the item's fields apart, and then summed.

        W · [past, item, context] + b  =  (W_past · past + W_context · context + b) + W_item · item

    Examples:
        >>> mlp = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1))
        >>> past, item, context = torch.rand(1, 3), torch.rand(2, 2), torch.rand(1, 1)
        >>> split = SplitMLP(mlp, [(3, False), (2, True), (1, False)])
        >>> together = split.rest(split.of_user([past, context]) + split.of_item([item]))
        >>> whole = mlp(torch.cat([past.expand(2, -1), item, context.expand(2, -1)], dim=1))
        >>> torch.allclose(together, whole.squeeze(-1), atol=1e-6)
        True
    """

    def __init__(self, mlp: nn.Sequential, fields: Sequence[tuple[int, bool]]) -> None:
        """Look at an MLP, which is not copied.

        Args:
            mlp: begins with a linear layer and ends with one number.
            fields: for each field of the MLP's input, in their order, its number of columns, and whether it is of the
                item's side.
        """
        self._first: nn.Linear = mlp[0]  # type: ignore[assignment]
        self._mlp, self._fields = mlp, fields

    def of_user(self, fields: list[Tensor]) -> Tensor:
        """The first layer's part of the user's fields, with the bias, float [B, H]."""
        return F.linear(torch.cat(fields, dim=-1), self._weight(of_item=False), self._first.bias)

    def of_item(self, fields: list[Tensor]) -> Tensor:
        """The first layer's part of the item's fields, float [B, H]."""
        return F.linear(torch.cat(fields, dim=-1), self._weight(of_item=True))

    def rest(self, first: Tensor) -> Tensor:
        """The output [B] from that of the first layer, float [B, H]."""
        for number, layer in enumerate(self._mlp):
            first = layer(first) if number else first
        return first.squeeze(-1)

    def _weight(self, of_item: bool) -> Tensor:
        parts = self._first.weight.split([width for width, _ in self._fields], dim=1)
        return torch.cat([part for part, (_, side) in zip(parts, self._fields, strict=True) if side is of_item], dim=1)
