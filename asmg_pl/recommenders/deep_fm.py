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
from asmg_pl.recommenders.base import Lookup, Recommender, glorot_uniform_, relu_mlp
from asmg_pl.recommenders.pooling import field_count, field_ids, field_shares, field_tables, fields


class DeepFM(Recommender):
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
        shares = field_shares(batch)
        weights = {n.removesuffix("_weight"): lookup for n, lookup in lookups.items() if n.endswith("_weight")}
        embeddings = {name: lookups[name] for name in weights}
        linear = torch.cat(fields(weights, *shares), dim=-1).sum(-1)
        embedded = fields(embeddings, *shares)  # F times [B, D]
        deep: Tensor = self.mlp(torch.cat(embedded, dim=-1))
        return linear + pairwise_products(torch.stack(embedded, dim=1)) + deep.squeeze(-1)


def pairwise_products(vectors: Tensor) -> Tensor:
    """The sum over all pairs of fields of their dot products, from float [B, F, D] to [B].

    It is half of the squared sum minus the sum of squares, which takes F·D steps rather than F²·D.
    """
    return (vectors.sum(1).square() - vectors.square().sum(1)).sum(-1) / 2
