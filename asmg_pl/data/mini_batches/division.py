"""How each mini-batch is divided among processes, and each process's rows into micro-batches.

mini-batch             [ r0 r1 r2 r3 r4 r5 r6 ]          the rows that a single process would take at once
2 ranks, 2 each        [ r0 r1 │ r2 r3 │ r4 r5 │ r6 ]
                         rank 0  rank 1  rank 0  rank 1
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from asmg_pl.data.batch import RankShare
from asmg_pl.data.mini_batches.loader import MiniBatches, RankShares


class Division(NamedTuple):
    """How this process's rows of a mini-batch are found.

    Attributes:
        rank: the number of this process.
        ranks: how many processes there are.
        micro_batches: in how many pieces, one after the other, each process goes over its rows.
    """

    rank: int = 0
    ranks: int = 1
    micro_batches: int = 1

    @property
    def shares(self) -> int:
        """How many shares each mini-batch has, over all processes."""
        return self.ranks * self.micro_batches

    @property
    def own(self) -> range:
        """The numbers of this process's shares, one for each of its micro-batches."""
        return range(self.rank, self.shares, self.ranks)

    def cut(self, mini_batches: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """This process's rows, a tensor for each micro-batch of each mini-batch.

        Args:
            mini_batches: the rows of each, or what belongs to them, [B, …].
        """
        return tuple(RankShare.take(rows, number, self.shares) for rows in mini_batches for number in self.own)

    def marked(self, batches: MiniBatches, totals: Sequence[int]) -> MiniBatches:
        """This process's micro-batches, each told which share of its mini-batch it is.

        Args:
            batches: the micro-batches.
            totals: the rows of each mini-batch, over all processes.
        """
        if self.shares == 1:
            return batches
        return RankShares(batches, [total for total in totals for _ in self.own], self.shares)
