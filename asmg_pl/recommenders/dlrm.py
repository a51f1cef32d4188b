"""DLRM: dot products of all pairs of fields, one of which is made of the numbers.

numbers ─▶ bottom MLP ─▶ vector ─┬────────────────────────────────┐
fields ──▶ embeddings ───────────┴─▶ dot products of all pairs ───┴─▶ top MLP ─▶ logit
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.recommenders.base import glorot_uniform_
from asmg_pl.recommenders.lookup import Lookup
from asmg_pl.recommenders.mlp import ReluMLP
from asmg_pl.recommenders.of_fields import OfFields
from asmg_pl.recommenders.pooling import field_sides, joined_fields


class DLRM(OfFields):
    """Fields meet in dot products alone; the numbers have an MLP that makes a field of them.

    The fields are those of :class:`EmbeddingMLP`. A stream without numbers has no bottom MLP. Everything starts Glorot
    uniform, tables and biases included. Source: Naumov et al., "Deep Learning Recommendation Model for Personalization
    and Recommendation Systems", 2019 (arXiv:1906.00091).

    Examples:
        >>> from asmg_pl.data.sources import DriftingStream
        >>> log = DriftingStream(users=9, items=9, rows=99, categories=3).read(None)

        >>> model = DLRM(log.sizes, embedding_dim=4, top=[16])
        >>> model(log.batch(torch.arange(5), history_size=3)).shape
        torch.Size([5])
    """

    def __init__(
        self,
        sizes: Sizes,
        embedding_dim: int = 8,
        bottom: list[int] | None = None,
        top: list[int] | None = None,
        log_numbers: bool = False,
    ) -> None:
        """Build the model.

        Args:
            sizes: numbers of users, items and categories (0: no category table), and the features.
            embedding_dim: width of each embedding, and of the bottom MLP's output.
            bottom: widths of the bottom MLP's hidden layers; by default one of twice the embeddings' width.
            top: widths of the top MLP's hidden layers; by default one of four times the embeddings' width, and one of
                twice that width.
            log_numbers: whether the logarithm of scaled numbers is taken, see
                :class:`~asmg_pl.recommenders.numbers.Numbers`.
        """
        super().__init__(sizes, embedding_dim, log_numbers)
        below = [2 * embedding_dim] if bottom is None else bottom
        above = [4 * embedding_dim, 2 * embedding_dim] if top is None else top
        count = len(sizes.numbers)
        self.bottom = ReluMLP([2 * count, *below, embedding_dim]) if count else None
        fields = len(field_sides(sizes)) + bool(count)
        self._pairs = [row * fields + column for row in range(fields) for column in range(row)]
        self.top = ReluMLP([len(self._pairs) + (embedding_dim if count else 0), *above, 1])
        for parameter in self.parameters():
            glorot_uniform_(parameter.data)

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """Logits [B]."""
        vectors = joined_fields(batch, lookups, self.features)  # [B, F, D]
        dense = [self.bottom(columns).relu() for columns in self.numbers.columns(batch) if self.bottom is not None]
        vectors = torch.cat([*(each[:, None] for each in dense), vectors], dim=1)
        products = (vectors @ vectors.transpose(1, 2)).flatten(1)[:, self._pairs]
        logits: Tensor = self.top(torch.cat([*dense, products], dim=1))
        return logits.squeeze(-1)
