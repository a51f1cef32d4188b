"""Counting the rows that the mini-batches of updates ask for, over all processes.

A process counts the rows at hand: those that its own mini-batches ask for, or, of a sharded table, those that all
processes ask it for. Counts of whole tables are added up over processes at the end of a pass.
"""

from __future__ import annotations

from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.distributed.processes import summed
from asmg_pl.generators.counts import UpdateCounts
from asmg_pl.recommenders import Recommender


def count(counts: UpdateCounts, recommender: Recommender, batch: Batch) -> None:
    """Count the rows that a mini-batch asks for, in time that does not grow with the tables."""
    for name, request in recommender.requests(batch).items():
        counts.see(name, request.rows.flatten(), request.times().flatten())


def settle(counts: UpdateCounts, recommender: Recommender) -> None:
    """At the end of a pass, add up what the processes have counted; every process calls it."""

    def over_all(name: str, pending: Tensor) -> Tensor:
        return pending if name in recommender.owners else summed(pending)

    counts.settle(over_all)
