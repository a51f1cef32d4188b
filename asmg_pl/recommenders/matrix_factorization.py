"""Matrix factorisation: one vector and one bias for each user and each item."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.recommenders.base import Recommender, glorot_uniform_
from asmg_pl.recommenders.lookup import Lookup
from asmg_pl.recommenders.sides import Side, TwoSided


class MatrixFactorization(TwoSided, Recommender):
    """Logit = user · item + user's bias + item's bias; histories, categories and context features are not used.

    A table's last column holds the biases, so that whatever treats a row as one vector treats both together. Vectors
    start Glorot uniform, biases at 0. Source: the base model of SML-MF in Peng et al. (RecSys 2021).

    Examples:
        >>> model = MatrixFactorization(Sizes(users=9, items=7), embedding_dim=4)
        >>> {name: tuple(table.shape) for name, table in model.table_parameters().items()}  # with a column of biases
        {'user': (9, 5), 'item': (7, 5)}
    """

    def __init__(self, sizes: Sizes, embedding_dim: int = 8) -> None:
        """Build the model.

        Args:
            sizes: numbers of users and items.
            embedding_dim: width D of the vectors; the tables have D + 1 columns.
        """
        super().__init__()
        rows = {"user": sizes.users, "item": sizes.items}
        self.tables = nn.ModuleDict({name: nn.Embedding(n, embedding_dim + 1) for name, n in rows.items()})
        for table in self.table_parameters().values():
            glorot_uniform_(table.data[:, :-1])
            table.data[:, -1] = 0

    def initial_rows(self, name: str, rows: Tensor, width: int, known: int, seed: int) -> Tensor:
        """Vectors Glorot uniform, biases 0."""
        vectors = super().initial_rows(name, rows, width - 1, known, seed)
        return torch.cat([vectors, vectors.new_zeros(len(rows), 1)], dim=1)

    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        """Ids: user [B], item [B]."""
        return {"user": batch.user, "item": batch.item}

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """Logits [B]."""
        return self.join(self.user_side(batch, lookups), self.item_side(batch, lookups))

    def user_side(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Side:
        """The user's vector and bias, float [B, D + 1]."""
        return (lookups["user"].vectors(),)

    def item_side(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Side:
        """The item's vector and bias, float [B, D + 1]."""
        return (lookups["item"].vectors(),)

    def join(self, user: Side, item: Side) -> Tensor:
        """Logits [B]."""
        (ours,), (theirs,) = user, item
        return torch.linalg.vecdot(ours[:, :-1], theirs[:, :-1]) + ours[:, -1] + theirs[:, -1]

    def user_vectors(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """The user's vector and 1, which meets the item's bias, float [B, D + 1]."""
        vectors = lookups["user"].vectors()[:, :-1]
        return torch.cat([vectors, torch.ones_like(vectors[:, :1])], dim=1)

    def item_vectors(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """The item's vector and bias, float [B, D + 1]."""
        return lookups["item"].vectors()

    def offsets(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """The user's bias, float [B]."""
        return lookups["user"].vectors()[:, -1]
