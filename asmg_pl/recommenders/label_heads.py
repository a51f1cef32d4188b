"""Several labels of a row, such as click, buy and dwell: one model over shared tables for each of them.

            ┌─▶ model ─▶ logit of the label
tables ─────┼─▶ head ──▶ logit of "buy"         heads are models of the same kind, with dense parameters of their own
            └─▶ head ──▶ logit of "dwell"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.recommenders.base import Recommender
from asmg_pl.recommenders.embedding_mlp import EmbeddingMLP
from asmg_pl.recommenders.lookup import Lookup
from asmg_pl.recommenders.sides import TwoSided


class LabelHeads(Recommender):
    """Another recommender, with a head for each further label of the stream. All of them read the same tables.

    What the further labels teach the tables helps the label that is served. Scores, packages and requests are those of
    the label alone. The heads are trained by the objective
    :class:`~asmg_pl.updaters.objectives.FurtherLabels`, under any generator, whose dense part includes them.
    Source: Caruana, "Multitask Learning", Machine Learning 1997, for hard sharing of parameters.

    Examples:
        >>> model = LabelHeads(Sizes(users=9, items=9, labels=("buy", "dwell")))
        >>> model.labels, list(model.tables)
        (('buy', 'dwell'), ['user', 'item'])
    """

    def __init__(self, sizes: Sizes, recommender: Callable[[Sizes], Recommender] = EmbeddingMLP) -> None:
        """Build the model and its heads.

        Args:
            sizes: numbers of users, items and categories, the features, and the further labels.
            recommender: class of the model and of each head, called with the sizes.

        Raises:
            ConfigError: if the stream has no further labels.
        """
        super().__init__()
        if not sizes.labels:
            raise ConfigError(
                "recommender LabelHeads: the stream has one label: convert it with --labels, or choose another model"
            )
        self.labels = sizes.labels
        self.model = recommender(sizes)
        self.tables = self.model.tables
        del self.model.tables  # a model scores from the vectors that it is given, and needs no tables
        one_row = sizes._replace(
            users=1, items=1, categories=min(1, sizes.categories), context=(1,) * len(sizes.context)
        )
        self.heads = nn.ModuleList(recommender(one_row) for _ in self.labels)
        for head in self.heads:
            del head.tables

    @property
    def _heads(self) -> Iterator[Recommender]:
        return (head for head in self.heads if isinstance(head, Recommender))

    def init_args(self) -> dict[str, Any]:
        """The arguments, with the model in place of its class."""
        return super().init_args() | {"recommender": self.model}

    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        """The ids that the model asks for."""
        return self.model.lookups(batch)

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """Logits [B] of the label; [B, 1+K] with those of the further labels, if the mini-batch asks for them."""
        logits = self.model.score(batch, lookups)
        if batch.label_weights is None:
            return logits
        return torch.stack([logits, *(head.score(batch, lookups) for head in self._heads)], dim=1)

    def sides(self) -> TwoSided | None:
        """The sides of the model."""
        return self.model.sides()

    def initial_rows(self, name: str, rows: Tensor, width: int, known: int, seed: int) -> Tensor:
        """The initial rows of the model."""
        return self.model.initial_rows(name, rows, width, known, seed)
