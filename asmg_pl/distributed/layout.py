"""The layout of a sharded table: the owner of each row.

    id ─▶ shard = id mod V, place = id div V

    V = 4 shards, 2 ranks     rank 0     rank 1
    place 0                    0   1      2   3
    place 1                    4   5                 a table of 6 rows
                               shards     shards

A rank owns neighbouring shards. Ids are numbered by first appearance, so the newest users and items, which are the most
active, have the highest ids. Ids are dealt out like cards, so that every rank gets a share of them; contiguous blocks
of ids would give all of them to the last rank. When the stream grows, every shard grows at its end and no row moves. V
does not depend on the number of ranks. So the table, as [places, V, D], can be cut between any two shards, and any
number of ranks can read a checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from asmg_pl.recommenders.touched import chunks

#: Rows that are taken at a time.
CHUNK = 65536


@dataclass(frozen=True)
class Layout:
    """The division of one table's rows among ranks.

    Attributes:
        rows: the number of rows of the table, N.
        shards: the number of shards, V, the same for every table of a run.
        rank: the number of this process.
        ranks: the number of processes, at most V.
    """

    rows: int
    shards: int
    rank: int
    ranks: int

    @property
    def full(self) -> int:
        """The number of places at which every shard has a row. At the next place, only the first shards have one."""
        return self.rows // self.shards

    @property
    def per_rank(self) -> int:
        """The number of shards of each rank; the last ranks may have fewer."""
        return -(-self.shards // self.ranks)

    @property
    def first(self) -> int:
        """The first of this rank's shards."""
        return min(self.rank * self.per_rank, self.shards)

    @property
    def own(self) -> int:
        """The number of this rank's shards."""
        return min(self.first + self.per_rank, self.shards) - self.first

    @property
    def rest(self) -> int:
        """The number of this rank's shards that have a row at the place after the full ones."""
        return min(max(self.rows % self.shards - self.first, 0), self.own)

    @property
    def held(self) -> int:
        """The number of rows that this rank holds, in the order of their ids."""
        return self.full * self.own + self.rest

    def owner(self, ids: Tensor) -> Tensor:
        """The rank that holds each id, int64 like the ids."""
        return ids % self.shards // self.per_rank

    def local(self, ids: Tensor) -> Tensor:
        """The position of each of this rank's ids among its rows, int64 like the ids."""
        return ids // self.shards * self.own + ids % self.shards - self.first

    def ids_at(self, places: Tensor) -> Tensor:
        """The ids at these positions among this rank's rows, int64 like the positions."""
        return places // self.own * self.shards + self.first + places % self.own

    def ids(self) -> Tensor:
        """The id of each row that this rank holds, int64 [held]."""
        return self.ids_at(torch.arange(self.held)) if self.own else torch.arange(0)

    def cut(self, whole: Tensor, axis: int = 0) -> Tensor:
        """Take this rank's rows of a whole table, or of a tensor with a table's rows along an axis.

        Of a tensor without memory, they are 0 on the CPU.
        """
        shape = *whole.shape[:axis], self.held, *whole.shape[axis + 1 :]
        if whole.is_meta:
            return torch.zeros(shape, dtype=whole.dtype)
        own = whole.new_empty(shape)
        for places in chunks(0, self.held, CHUNK, whole.device):  # row numbers take 8 bytes each
            own.narrow(axis, int(places[0]), len(places)).copy_(whole.index_select(axis, self.ids_at(places)))
        return own
