"""Embedding&MLP, the base model of the ASMG paper.

user ─────────────▶ embedding ───────────────────────────────────┐
latest items ─────▶ [item embedding, mean of categories] ─ mean ─┼─▶ MLP ─▶ logit
item ─────────────▶ [item embedding, mean of categories] ────────┤
categorical ──────▶ an embedding each ───────────────────────────┤
multi-valued ─────▶ a mean of embeddings each ───────────────────┤
numbers ──────────▶ scaled, and whether they are missing ────────┘
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.recommenders.base import glorot_uniform_
from asmg_pl.recommenders.features import Part
from asmg_pl.recommenders.lookup import Lookup
from asmg_pl.recommenders.mlp import ReluMLP
from asmg_pl.recommenders.of_fields import OfFields
from asmg_pl.recommenders.pooling import (
    field_shares,
    field_sides,
    item_fields,
    joined_columns,
    past_fields,
)
from asmg_pl.recommenders.sides import Side, SplitMLP, TwoSided


class EmbeddingMLP(TwoSided, OfFields):
    """Embeddings of user, history and item into a small MLP with ReLU and one logit.

    Everything starts Glorot uniform, tables and biases included. Source: Peng et al. (RecSys 2021), base model.

    Examples:
        >>> import torch
        >>> from torch import nn
        >>> from asmg_pl.data.sources import DriftingStream
        >>> log = DriftingStream(users=9, items=9, rows=99, categories=3).read(None)

        >>> model = EmbeddingMLP(log.sizes, embedding_dim=8)
        >>> model(log.batch(torch.arange(5), history_size=3)).shape  # a logit for each of five rows
        torch.Size([5])
        >>> list(model.tables), [layer.out_features for layer in model.mlp if isinstance(layer, nn.Linear)]
        (['user', 'item', 'category'], [20, 10, 1])
    """

    def __init__(
        self, sizes: Sizes, embedding_dim: int = 8, hidden: list[int] | None = None, log_numbers: bool = False
    ) -> None:
        """Build the model.

        Args:
            sizes: numbers of users, items and categories (0: no category table), and the features.
            embedding_dim: width of each embedding.
            hidden: widths of the hidden layers; by default a half and a quarter of the input's width, which is
                20 and 10 with categories, 12 and 6 without, and without features.
            log_numbers: whether the logarithm of scaled numbers is taken, see
                :class:`~asmg_pl.recommenders.numbers.Numbers`.
        """
        super().__init__(sizes, embedding_dim, log_numbers)
        sides = [(embedding_dim, of_item) for of_item in field_sides(sizes)]
        self._fields = [*sides, *((2, Part.ITEM.has(number)) for number in sizes.numbers)]
        width = sum(columns for columns, _ in self._fields)
        self.mlp = ReluMLP([width, *([width // 2, width // 4] if hidden is None else hidden), 1])
        for parameter in self.parameters():
            glorot_uniform_(parameter.data)

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """Logits [B]."""
        logits: Tensor = self.mlp(joined_columns(batch, lookups, self.features, self.numbers.columns(batch)))
        return logits.squeeze(-1)

    def user_side(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Side:
        """The first layer's part of user, history and what else is not the item's, float [B, H]."""
        past = past_fields(lookups, *field_shares(batch))
        return (self._split.of_user([*past, *self.further(batch, lookups, Part.USER)]),)

    def item_side(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Side:
        """The first layer's part of the item, its categories and its features, float [B, H]."""
        item = item_fields(lookups, field_shares(batch)[1])
        return (self._split.of_item([*item, *self.further(batch, lookups, Part.ITEM)]),)

    def join(self, user: Side, item: Side) -> Tensor:
        """Logits [B] from the first layer's sum."""
        return self._split.rest(user[0] + item[0])

    @property
    def _split(self) -> SplitMLP:
        return SplitMLP(self.mlp, self._fields)
