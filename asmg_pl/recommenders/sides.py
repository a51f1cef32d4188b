"""The two sides of a recommender: what depends on the user alone, what on the item alone, and how they meet.

user, history, context ─▶ user's side [1, …] ─┐
                                              ├─▶ join ─▶ logits [B]
item, its categories ───▶ items' side [B, …] ─┘

A request asks for many items of one user. Its user's side is computed once, not once for each item, and the items' side
can be made ahead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

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
        """What depends on user, history and context features, float [B, …] each.

        Args:
            batch: whose ``item`` makes no difference.
            lookups: of all ids that :meth:`~asmg_pl.recommenders.Recommender.lookups` names.
        """

    @abstractmethod
    def item_side(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Side:
        """What depends on item and categories, float [B, …] each.

        Args:
            batch: whose ``user``, ``history`` and ``context`` make no difference; a history may have no entry (T = 0),
                and ``context`` may be ``None``.
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
        >>> split = SplitMLP(mlp, item_from=3, item_width=2)
        >>> together = split.rest(split.of_user([past], [context]) + split.of_item([item]))
        >>> whole = mlp(torch.cat([past.expand(2, -1), item, context.expand(2, -1)], dim=1))
        >>> torch.allclose(together, whole.squeeze(-1), atol=1e-6)
        True
    """

    def __init__(self, mlp: nn.Sequential, item_from: int, item_width: int) -> None:
        """Look at an MLP, which is not copied.

        Args:
            mlp: begins with a linear layer and ends with one number.
            item_from: the first column of the item's fields in the MLP's input.
            item_width: the number of their columns.
        """
        self._first: nn.Linear = mlp[0]  # type: ignore[assignment]
        self._mlp = mlp
        self._widths = item_from, item_width, self._first.in_features - item_from - item_width

    def of_user(self, past: list[Tensor], context: list[Tensor]) -> Tensor:
        """The first layer's part of the user's fields, with the bias, float [B, H]."""
        before, _, after = self._first.weight.split(self._widths, dim=1)
        weight = torch.cat([before, after], dim=1) if context else before
        return F.linear(torch.cat([*past, *context], dim=-1), weight, self._first.bias)

    def of_item(self, fields: list[Tensor]) -> Tensor:
        """The first layer's part of the item's fields, float [B, H]."""
        return F.linear(torch.cat(fields, dim=-1), self._first.weight.split(self._widths, dim=1)[1])

    def rest(self, first: Tensor) -> Tensor:
        """The output [B] from that of the first layer, float [B, H]."""
        for number, layer in enumerate(self._mlp):
            first = layer(first) if number else first
        return first.squeeze(-1)
