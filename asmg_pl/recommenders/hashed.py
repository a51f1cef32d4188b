"""Hashed ids: another recommender over tables of a fixed size, whatever the stream's growth.

user  7 ─┐
         ├─▶ hash ─▶ bucket 2 ─▶ its vector ─▶ score      who shares a bucket shares its vector
user 31 ─┘
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.randomness.keyed import mix
from asmg_pl.recommenders.base import Recommender
from asmg_pl.recommenders.embedding_mlp import EmbeddingMLP
from asmg_pl.recommenders.lookup import Lookup
from asmg_pl.recommenders.sides import TwoSided


class Hashed(Recommender):
    """Another recommender whose users or items are hashed into a fixed number of buckets (the hashing trick).

    A bucket stands for an id only where vectors are looked up. Data, negatives and metrics still have real users and
    items, so that new ones are told apart, and an item has its own categories although it shares a bucket. A bucket
    depends on the id alone, and ids on the order of first appearance, so that a growing stream moves nobody to another
    bucket. Tables whose name begins with ``user`` or ``item`` are hashed; tables of categories and context features
    keep growing.

    Attributes:
        buckets: how many buckets there are, by ``"user"`` and ``"item"``, of those that are hashed.

    Source: Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009, for the trick.

    Examples:
        >>> model = Hashed(Sizes(users=1_000_000, items=500), users=1000)
        >>> {name: len(table) for name, table in model.table_parameters().items()}
        {'user': 1000, 'item': 500}
    """

    def __init__(
        self,
        sizes: Sizes,
        recommender: Callable[[Sizes], Recommender] = EmbeddingMLP,
        users: int | None = None,
        items: int | None = None,
        seed: int = 0,
    ) -> None:
        """Build the model over buckets.

        Args:
            sizes: numbers of users, items, categories and values of context features.
            recommender: class of the model, called with ``sizes`` in which buckets are counted instead of ids.
            users: buckets of users; by default they are not hashed.
            items: buckets of items; by default they are not hashed.
            seed: of the hash; another seed puts other ids together.

        Raises:
            ConfigError: if neither users nor items are hashed, a number of buckets is below 1, or the model has no
                table to hash.
        """
        super().__init__()
        wanted = {"user": users, "item": items}
        self.buckets = {kind: buckets for kind, buckets in wanted.items() if buckets is not None}
        self._seed = seed
        if not self.buckets:
            raise ConfigError(
                "recommender.users and recommender.items are both missing: say how many buckets there are"
            )
        for kind, buckets in self.buckets.items():
            if buckets < 1:
                raise ConfigError(f"recommender.{kind}s must be at least 1, got {buckets}")
        model = recommender(
            sizes._replace(users=sizes.users if users is None else users, items=sizes.items if items is None else items)
        )
        for kind in self.buckets:
            if not any(name.startswith(kind) for name in model.tables):
                raise ConfigError(
                    f"recommender.{kind}s: {type(model).__name__} has no table whose name begins with {kind!r}, only "
                    f"{', '.join(model.tables)}: leave it out"
                )
        self.tables = model.tables
        del model.tables  # the model scores from the vectors that it is given, and needs no tables
        self.model = model

    def init_args(self) -> dict[str, Any]:
        """The arguments, with the model in place of its class."""
        return super().init_args() | {"recommender": self.model}

    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        """The ids that the model asks for, with buckets in place of users and items."""
        asked = self.model.lookups(batch)
        for name, ids in asked.items():
            for kind, buckets in self.buckets.items():
                if name.startswith(kind):
                    asked[name] = bucket_of(ids, buckets, self._seed)
        return asked

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """Logits [B] of the model."""
        return self.model.score(batch, lookups)

    def sides(self) -> TwoSided | None:
        """The sides of the model."""
        return self.model.sides()

    def initial_rows(self, name: str, rows: Tensor, width: int, known: int, seed: int) -> Tensor:
        """The initial rows of the model, whose users and items are buckets."""
        return self.model.initial_rows(name, rows, width, known, seed)


def bucket_of(ids: Tensor, buckets: int, seed: int = 0) -> Tensor:
    """The bucket of each id, int64 and of the ids' shape: :func:`~asmg_pl.randomness.keyed.mix` modulo ``buckets``."""
    return (mix(ids + (1 + seed * 0x9E3779B9) % 2**63) & (2**63 - 1)).remainder(buckets)
