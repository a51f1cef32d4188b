"""Two towers: one vector for the user, one for the item, and their dot product.

user ─────────────────▶ embedding ───────┐
latest items ─────────▶ embedding ─ mean ┼─▶ MLP ─▶ vector ─┐
the user's features, ─▶ embedding each,  │                  │
the row's features      scaled numbers ──┘                  │
                                                            ├─▶ dot product + bias ─▶ logit
item ─────────────────▶ embedding ───────┐                  │
its categories ───────▶ embedding ─ mean ┼─▶ MLP ─▶ vector ─┘
its features ─────────▶ embedding each,  │
                        scaled numbers ──┘
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.recommenders.base import Recommender, glorot_uniform_
from asmg_pl.recommenders.features import FeatureTables, Part
from asmg_pl.recommenders.lookup import Lookup
from asmg_pl.recommenders.mlp import ReluMLP
from asmg_pl.recommenders.numbers import Numbers
from asmg_pl.recommenders.pooling import (
    category_ids,
    category_share,
    field_tables,
    history_share,
    items_of,
)
from asmg_pl.recommenders.sides import Side, TwoSided


class TwoTower(TwoSided, Recommender):
    """User and item meet only in a dot product, so item vectors can be made ahead and searched.

    Everything starts Glorot uniform, tables and biases included. Source: the model of Yi et al., "Sampling-Bias-
    Corrected Neural Modeling for Large Corpus Item Recommendations", RecSys 2019. Its softmax over the mini-batch is
    :class:`~asmg_pl.updaters.objectives.InBatchSoftmax`; by default rows have labels, on which it is trained.

    Examples:
        >>> from asmg_pl.data.sources import DriftingStream
        >>> log = DriftingStream(users=9, items=9, rows=99, categories=3).read(None)

        >>> model = TwoTower(log.sizes, output_dim=16)
        >>> batch = log.batch(torch.arange(5), history_size=3)
        >>> lookups = {name: Lookup(model.table(name), ids) for name, ids in model.lookups(batch).items()}
        >>> model.item_vectors(batch, lookups).shape  # which can be made ahead, and searched
        torch.Size([5, 16])
    """

    def __init__(
        self,
        sizes: Sizes,
        embedding_dim: int = 8,
        hidden: list[int] | None = None,
        output_dim: int = 8,
        log_numbers: bool = False,
    ) -> None:
        """Build the model.

        Args:
            sizes: numbers of users, items and categories (0: no category table), and the features.
            embedding_dim: width of each embedding.
            hidden: widths of the hidden layers of either tower; by default one as wide as the tower's input, which is
                two embeddings, one for the item's tower without categories, one more with each categorical or
                multi-valued feature of the side, and two columns more with each number.
            output_dim: width of the vectors that are multiplied.
            log_numbers: whether the logarithm of scaled numbers is taken, see
                :class:`~asmg_pl.recommenders.numbers.Numbers`.
        """
        super().__init__()
        tables = {name: nn.Embedding(rows, embedding_dim) for name, rows in field_tables(sizes).items()}
        self.tables = nn.ModuleDict(tables)
        self.features, self.numbers = FeatureTables(sizes), Numbers(sizes.numbers, log_numbers)
        of_item = self.features.of_item
        user_width = (2 + of_item.count(False)) * embedding_dim + 2 * self.numbers.count(Part.USER)
        item_width = (1 + bool(sizes.categories) + of_item.count(True)) * embedding_dim
        item_width += 2 * self.numbers.count(Part.ITEM)
        self.user_tower = ReluMLP([user_width, *([user_width] if hidden is None else hidden), output_dim])
        self.item_tower = ReluMLP([item_width, *([item_width] if hidden is None else hidden), output_dim])
        self.bias = nn.Parameter(torch.empty(1))
        for parameter in self.parameters():
            glorot_uniform_(parameter.data)

    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        """Ids: user [B]; item and history side by side [B, 1+T]; the item's categories [B, C]; features."""
        ids = {"user": batch.user, "item": items_of(batch)}
        if batch.categories is not None:
            ids["category"] = category_ids(batch.categories, batch.item)
        return ids | self.features.ids(batch)

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """Logits [B]."""
        return self.join(self.user_side(batch, lookups), self.item_side(batch, lookups))

    def user_side(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Side:
        """The user's vector, float [B, output_dim]."""
        return (self.user_vectors(batch, lookups),)

    def item_side(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Side:
        """The item's vector, float [B, output_dim]."""
        return (self.item_vectors(batch, lookups),)

    def join(self, user: Side, item: Side) -> Tensor:
        """Logits [B]."""
        return (user[0] * item[0]).sum(-1) + self.bias

    def user_vectors(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """The user tower's output, float [B, output_dim]."""
        history = lookups["item"].columns(slice(1, None)).weighted_sum(history_share(batch))
        further = self._further(batch, lookups, Part.USER)
        vectors: Tensor = self.user_tower(torch.cat([lookups["user"].vectors(), history, *further], dim=-1))
        return vectors

    def item_vectors(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """The item tower's output, float [B, output_dim]."""
        item = [lookups["item"].columns(0).vectors()]
        if batch.categories is not None:
            item.append(lookups["category"].weighted_sum(category_share(batch.categories, batch.item)))
        item += self._further(batch, lookups, Part.ITEM)
        vectors: Tensor = self.item_tower(torch.cat(item, dim=-1))
        return vectors

    def offsets(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """The bias, which is the same for all rows, float [B]."""
        return self.bias.expand(batch.user.shape[0])

    def _further(self, batch: Batch, lookups: Mapping[str, Lookup], part: Part) -> list[Tensor]:
        return [*self.features.fields(batch, lookups, part), *self.numbers.columns(batch, part)]
