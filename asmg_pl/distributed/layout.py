"""Who owns which rows of a table.

    id ─▶ shard = id mod V, place = id div V

    V = 4 shards, 2 ranks     rank 0     rank 1
    place 0                    0   1      2   3
    place 1                    4   5                 a table of 6 rows
                               shards     shards

A rank owns shards that stand next to each other. Ids are numbered by first appearance, so the newest users and items,
which are the most active, have the highest ones: dealing ids out like cards gives each rank its part of them, where
contiguous blocks of ids would give them all to the last rank. When the stream grows, every shard grows at its end and
no row moves. V does not depend on the number of ranks; so the table, as [places, V, D], can be cut between any two
shards, and a checkpoint of one number of ranks can be read by another.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """How the rows of one table are shared out among ranks.

    Attributes:
        rows: how many rows the table has, N.
        shards: V, the same for every table of a run.
        rank: this process.
        ranks: how many processes there are, at most V.
    """

    rows: int
    shards: int
    rank: int
    ranks: int

    @property
    def full(self) -> int:
        """Places at which every shard has a row; at the one after them, only the first shards have."""
        return self.rows // self.shards

    @property
    def per_rank(self) -> int:
        """Shards of every rank, except that the last ones may have fewer."""
        return -(-self.shards // self.ranks)

    @property
    def first(self) -> int:
        """The first of this rank's shards."""
        return min(self.rank * self.per_rank, self.shards)

    @property
    def own(self) -> int:
        """How many shards this rank has."""
        return min(self.first + self.per_rank, self.shards) - self.first

    @property
    def rest(self) -> int:
        """How many of this rank's shards have a row at the place after the full ones."""
        return min(max(self.rows % self.shards - self.first, 0), self.own)

    @property
    def held(self) -> int:
        """Rows that this rank holds; they stand in the order of their ids."""
        return self.full * self.own + self.rest

    def owner(self, ids: Tensor) -> Tensor:
        """The rank that holds each id, int64 like the ids."""
        return ids % self.shards // self.per_rank

    def local(self, ids: Tensor) -> Tensor:
        """Where each of this rank's ids stands among the rows that it holds, int64 like the ids."""
        return ids // self.shards * self.own + ids % self.shards - self.first

    def ids_at(self, places: Tensor) -> Tensor:
        """Which id stands at each of these places among the rows that this rank holds, int64 like the places."""
        return places // self.own * self.shards + self.first + places % self.own

    def ids(self) -> Tensor:
        """The id of each row that this rank holds, int64 [held]."""
        return self.ids_at(torch.arange(self.held)) if self.own else torch.arange(0)

    def cut(self, whole: Tensor, axis: int = 0) -> Tensor:
        """This rank's rows of a whole table, or of what has a table's rows along an axis."""
        return whole.index_select(axis, self.ids().to(whole.device))
