"""DeepFM: a factorisation machine and an MLP over the same embeddings.

user, item, latest items (mean),        ┌─▶ weight of each id ─────────▶ sum ─┐
the item's categories (mean),       ────┼─▶ embeddings ─▶ products of pairs ──┼─ + ─▶ logit
the latest items' categories (mean),    └─▶ embeddings ─▶ MLP ────────────────┘
context features
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.recommenders.base import Recommender, glorot_uniform_, relu_mlp
from asmg_pl.recommenders.lookup import Lookup
from asmg_pl.recommenders.pooling import (
    context_fields,
    field_count,
    field_ids,
    field_shares,
    field_tables,
    item_columns,
    item_fields,
    joined_fields,
    past_fields,
)
from asmg_pl.recommenders.sides import Side, SplitMLP, TwoSided


class DeepFM(TwoSided, Recommender):
    """First-order weights, pairwise products of the fields' embeddings, and an MLP over them, summed to one logit.

    A field of several ids is their mean in both the weights and the embeddings. Items have one embedding and one
    weight, whether they are the row's item or in the history; so have categories. The logit's bias is that of the
    MLP's last layer. Everything starts Glorot uniform, tables and biases included. Source: Guo et al., "DeepFM: A
    Factorization-Machine based Neural Network for CTR Prediction", IJCAI 2017.

    Examples:
        >>> from asmg_pl.data.sources import DriftingStream
        >>> log = DriftingStream(users=9, items=9, rows=99, categories=3).read(None)

        >>> model = DeepFM(log.sizes, embedding_dim=8)
        >>> {name: table.shape[1] for name, table in model.table_parameters().items()}
        {'user': 8, 'item': 8, 'category': 8, 'user_weight': 1, 'item_weight': 1, 'category_weight': 1}
        >>> model(log.batch(torch.arange(5), history_size=3)).shape
        torch.Size([5])
    """

    def __init__(self, sizes: Sizes, embedding_dim: int = 8, hidden: list[int] | None = None) -> None:
        """Build the model.

        Args:
            sizes: numbers of users, items, categories (0: no category tables) and values of context features.
            embedding_dim: width of each embedding.
            hidden: widths of the hidden layers; by default a half and a quarter of the input's width, which is
                20 and 10 with categories, 12 and 6 without, and without context features.
        """
        super().__init__()
        rows = field_tables(sizes)
        embeddings = {name: nn.Embedding(n, embedding_dim) for name, n in rows.items()}
        weights = {f"{name}_weight": nn.Embedding(n, 1) for name, n in rows.items()}
        self.tables = nn.ModuleDict(embeddings | weights)
        width = embedding_dim * field_count(sizes)
        self.mlp = relu_mlp([width, *([width // 2, width // 4] if hidden is None else hidden), 1])
        self._item_columns = item_columns(sizes, embedding_dim)
        for parameter in self.parameters():
            glorot_uniform_(parameter.data)

    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        """The same ids for embeddings and for weights.

        User [B]; item and history [B, 1+T]; their categories [B, 1+T, C]; each context feature [B].
        """
        ids = field_ids(batch)
        return ids | {f"{name}_weight": asked for name, asked in ids.items()}

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """Logits [B]."""
        embeddings, weights = embeddings_and_weights(lookups)
        linear = joined_fields(batch, weights).sum((1, 2))
        embedded = joined_fields(batch, embeddings)
        deep: Tensor = self.mlp(embedded.flatten(1))
        return linear + pairwise_products(embedded) + deep.squeeze(-1)

    def user_side(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Side:
        """The part of user, history and context features in each of the three sums, see :func:`part_of_sums`."""
        embeddings, weights = embeddings_and_weights(lookups)
        shares = field_shares(batch)
        past, context = past_fields(embeddings, *shares), context_fields(embeddings)
        linear = [*past_fields(weights, *shares), *context_fields(weights)]
        return self._split.of_user(past, context), *part_of_sums([*past, *context], linear)

    def item_side(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Side:
        """The part of the item and its categories in each of the three sums, see :func:`part_of_sums`."""
        embeddings, weights = embeddings_and_weights(lookups)
        _, categories = field_shares(batch)
        fields = item_fields(embeddings, categories)
        return self._split.of_item(fields), *part_of_sums(fields, item_fields(weights, categories))

    def join(self, user: Side, item: Side) -> Tensor:
        """Logits [B]."""
        first, vectors, rest = (ours + theirs for ours, theirs in zip(user, item, strict=True))
        return self._split.rest(first) + vectors.square().sum(-1) / 2 + rest

    @property
    def _split(self) -> SplitMLP:
        return SplitMLP(self.mlp, *self._item_columns)


def embeddings_and_weights(lookups: Mapping[str, Lookup]) -> tuple[dict[str, Lookup], dict[str, Lookup]]:
    """The lookups of embeddings and those of first-order weights, both under the names of the fields' tables."""
    weights = {n.removesuffix("_weight"): lookup for n, lookup in lookups.items() if n.endswith("_weight")}
    return {name: lookups[name] for name in weights}, weights


def part_of_sums(embedded: list[Tensor], weights: list[Tensor]) -> tuple[Tensor, Tensor]:
    """What some of the fields add to the sums from which pairwise products and the linear part are made.

    Args:
        embedded: the fields' embeddings, float [B, D] each.
        weights: their first-order weights, float [B, 1] each.

    Returns:
        The sum of the embeddings, float [B, D]; and the sum of the weights minus half of the sum of the embeddings'
        squares, float [B].
    """
    vectors = torch.stack(embedded, dim=1)  # [B, F, D]
    return vectors.sum(1), torch.cat(weights, dim=-1).sum(-1) - vectors.square().sum((1, 2)) / 2


def pairwise_products(vectors: Tensor) -> Tensor:
    """The sum over all pairs of fields of their dot products, from float [B, F, D] to [B].

    It is half of the squared sum minus the sum of squares, which takes F·D steps rather than F²·D.
    """
    return (vectors.sum(1).square() - vectors.square().sum(1)).sum(-1) / 2
