"""A phase: one pass over some periods' rows, which is one Lightning epoch.

    D_t arrives ─▶ score ─▶ generate ─▶ update ─▶ D_{t+1} arrives ─▶ …

Updaters say which phases a period has; the period loop walks them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor


def nothing() -> None:
    """The end of a phase after which there is nothing to do."""


@dataclass(frozen=True)
class Phase:
    """What one pass reads, and what is done with it.

    Attributes:
        name: what the pass is for, e.g. ``"score"``, shown in the progress bar.
        period: the period whose arrival it belongs to.
        reads: the periods whose rows it reads.
        step: called with each mini-batch (a ``Batch``; a tuple of them if ``side_by_side`` or ``beside``).
        begin: called once before the first mini-batch.
        end: called once after the last mini-batch.
        trains: whether ``step`` changes parameters; rows are shuffled then, and read in order otherwise.
        side_by_side: whether each step gets one mini-batch of *each* period read, instead of all rows in one sequence.
            There are as many steps as the newest period fills; of an older period that is longer, a random choice of
            rows is read.
        repeat: number of the pass, for phases that go over the same rows several times; each shuffles anew.
        rows: called when the phase begins, gives the row positions to read in this order, int64 [n], for phases that
            do not read whole periods; ``reads`` then names the newest period among them.
        beside: called when the phase begins, gives the positions of rows to read, shuffled, beside those of ``reads``,
            int64 [n], n ≥ 1: each step gets a mini-batch of either. Each of these rows is read once or, if there are
            fewer than mini-batches, equally often; of more rows than the mini-batches hold, a random choice is read.
        negatives: whether rows are read with the negatives that are drawn for them, if any are.
    """

    name: str
    period: int
    reads: tuple[int, ...]
    step: Callable[[Any], None]
    end: Callable[[], None] = nothing
    trains: bool = True
    side_by_side: bool = False
    repeat: int = 0
    rows: Callable[[], Tensor] | None = None
    beside: Callable[[], Tensor] | None = None
    begin: Callable[[], None] = nothing
    negatives: bool = True

    @property
    def key(self) -> tuple[str, int, int]:
        """What tells the pass from all others of a walk; whatever is random in it depends on that."""
        return self.name, self.period, self.repeat
