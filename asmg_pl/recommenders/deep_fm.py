"""DeepFM: a factorisation machine and an MLP over the same embeddings.

user, item, latest items (mean),        ┌─▶ weight of each id ─────────▶ sum ─┐
the item's categories (mean),       ────┼─▶ embeddings ─▶ products of pairs ──┼─ + ─▶ logit
the latest items' categories (mean),    └─▶ embeddings ─▶ MLP ────────────────┘
categorical and multi-valued features,
numbers times a vector each
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.recommenders.base import Recommender, glorot_uniform_
from asmg_pl.recommenders.features import FeatureTables, Part
from asmg_pl.recommenders.kernels.pairs import pairwise_products
from asmg_pl.recommenders.lookup import Lookup
from asmg_pl.recommenders.mlp import ReluMLP
from asmg_pl.recommenders.numbers import NumberVectors
from asmg_pl.recommenders.pooling import (
    field_ids,
    field_shares,
    field_sides,
    field_tables,
    item_fields,
    joined_columns,
    past_fields,
)
from asmg_pl.recommenders.sides import Side, SplitMLP, TwoSided


class DeepFM(TwoSided, Recommender):
    """First-order weights, pairwise products of the fields' embeddings, and an MLP over them, summed to one logit.

    A field of several ids is their mean in both the weights and the embeddings. The field of a number is the scaled
    number times a vector and a weight of its feature. Items have one embedding and one weight, whether they are the
    row's item or in the history; so have categories. The logit's bias is that of the MLP's last layer. Everything
    starts Glorot uniform, tables and biases included. Source: Guo et al., "DeepFM: A Factorization-Machine based Neural
    Network for CTR Prediction", IJCAI 2017.

    Examples:
        >>> from asmg_pl.data.sources import DriftingStream
        >>> log = DriftingStream(users=9, items=9, rows=99, categories=3).read(None)

        >>> model = DeepFM(log.sizes, embedding_dim=8)
        >>> {name: table.shape[1] for name, table in model.table_parameters().items()}
        {'user': 8, 'item': 8, 'category': 8, 'user_weight': 1, 'item_weight': 1, 'category_weight': 1}
        >>> model(log.batch(torch.arange(5), history_size=3)).shape
        torch.Size([5])
    """

    def __init__(
        self, sizes: Sizes, embedding_dim: int = 8, hidden: list[int] | None = None, log_numbers: bool = False
    ) -> None:
        """Build the model.

        Args:
            sizes: numbers of users, items and categories (0: no category tables), and the features.
            embedding_dim: width of each embedding.
            hidden: widths of the hidden layers; by default a half and a quarter of the input's width, which is
                20 and 10 with categories, 12 and 6 without, and without features.
            log_numbers: whether the logarithm of scaled numbers is taken, see
                :class:`~asmg_pl.recommenders.numbers.Numbers`.
        """
        super().__init__()
        rows = field_tables(sizes)
        embeddings = {name: nn.Embedding(n, embedding_dim) for name, n in rows.items()}
        weights = {f"{name}_weight": nn.Embedding(n, 1) for name, n in rows.items()}
        self.tables = nn.ModuleDict(embeddings | weights)
        self.features = FeatureTables(sizes)
        self.numbers = NumberVectors(sizes.numbers, embedding_dim + 1, log_numbers)  # the last column is the weight
        sides = [*field_sides(sizes), *map(Part.ITEM.has, sizes.numbers)]
        self._fields = [(embedding_dim, of_item) for of_item in sides]
        width = embedding_dim * len(self._fields)
        self.mlp = ReluMLP([width, *([width // 2, width // 4] if hidden is None else hidden), 1])
        for parameter in self.parameters():
            glorot_uniform_(parameter.data)

    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        """The same ids for embeddings and for weights.

        User [B]; item and history [B, 1+T]; their categories [B, 1+T, C]; features [B] or [B, L].
        """
        ids = field_ids(batch, self.features)
        return ids | {f"{name}_weight": asked for name, asked in ids.items()}

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """Logits [B]."""
        embeddings, weights = embeddings_and_weights(lookups)
        columns, linear = (
            joined_columns(batch, looked_up, self.features, self.numbers.joined(batch, columns=those))
            for looked_up, those in ((embeddings, slice(-1)), (weights, slice(-1, None)))
        )
        deep: Tensor = self.mlp(columns)
        embedded = columns.unflatten(1, (len(self._fields), -1))  # [B, F, D]
        return linear.sum(1) + pairwise_products(embedded) + deep.squeeze(-1)

    def user_side(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Side:
        """The part of all fields but the item's in each of the three sums, see :func:`part_of_sums`."""
        shares = field_shares(batch)
        fields = self._fields_of(batch, lookups, Part.USER, lambda given: past_fields(given, *shares))
        return self._split.of_user(fields[0]), *part_of_sums(*fields)

    def item_side(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Side:
        """The part of the item, its categories and its features in each of the three sums, see :func:`part_of_sums`."""
        _, categories = field_shares(batch)
        fields = self._fields_of(batch, lookups, Part.ITEM, lambda given: item_fields(given, categories))
        return self._split.of_item(fields[0]), *part_of_sums(*fields)

    def join(self, user: Side, item: Side) -> Tensor:
        """Logits [B]."""
        first, vectors, rest = (ours + theirs for ours, theirs in zip(user, item, strict=True))
        return self._split.rest(first) + vectors.square().sum(-1) / 2 + rest

    def _fields_of(
        self,
        batch: Batch,
        lookups: Mapping[str, Lookup],
        part: Part,
        first: Callable[[Mapping[str, Lookup]], list[Tensor]],
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The embeddings of a side's fields, float [B, D] each, and their weights, float [B, 1] each."""
        embedded, linear = (
            [*first(given), *self.features.fields(batch, given, part)] for given in embeddings_and_weights(lookups)
        )
        numbers = self.numbers.fields(batch, part)
        return [*embedded, *(each[:, :-1] for each in numbers)], [*linear, *(each[:, -1:] for each in numbers)]

    @property
    def _split(self) -> SplitMLP:
        return SplitMLP(self.mlp, self._fields)


def embeddings_and_weights(lookups: Mapping[str, Lookup]) -> tuple[dict[str, Lookup], dict[str, Lookup]]:
    """The lookups of embeddings and those of first-order weights, both under the names of the fields' tables."""
    weights = {n: lookups[f"{n}_weight"] for n in lookups if f"{n}_weight" in lookups}
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
