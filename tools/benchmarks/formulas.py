"""The formulas of ``docs/scale.md``: what a rank of sharded tables holds and sends, in bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Walk:
    """What bytes depend on.

    Attributes:
        rows: rows of all sharded tables together, N.
        width: of an embedding, D.
        hidden: state of a coordinate, H.
        window: snapshots, k.
        dense: parameters of the recommender that every rank has, P.
        generator: weights of the generator, G.
        ranks: number of processes, R.
    """

    rows: int
    width: int = 8
    hidden: int = 4
    window: int = 3
    dense: int = 385
    generator: int = 26_466
    ranks: int = 1

    @property
    def copies(self) -> int:
        """Tables' worth of numbers: the base model, its two moments, the serving model, snapshots and state."""
        return 4 + self.window + self.hidden

    @property
    def table(self) -> float:
        """Bytes of one copy of all tables, on all ranks together."""
        return 4 * self.width * self.rows

    def held(self) -> float:
        """Bytes that a rank holds."""
        return self.copies * (self.table / self.ranks + 4 * self.dense) + 12 * self.generator

    def sent(self, ids: float, batches: int = 1) -> float:
        """Bytes that a rank sends in a step: of an update, or of the generator with a mini-batch of each snapshot.

        Args:
            ids: distinct ids that the rank asks for, of all mini-batches together.
            batches: mini-batches of the step.
        """
        others = self.ranks - 1
        return others / self.ranks * ids * (8 + 2 * 4 * self.width) + 16 * batches * others

    def at_the_start(self) -> float:
        """Bytes of the CPU's memory that each rank takes while a walk starts, for its own rows."""
        return self.table / self.ranks * (2 + self.window + self.hidden)
