"""Each row of a mini-batch goes to one micro-batch of one process, and an own share knows the whole."""

from __future__ import annotations

import pytest
import torch

from asmg_pl.data.mini_batches.division import Division


@pytest.mark.parametrize("rows", [0, 1, 5, 8, 13])
@pytest.mark.parametrize(("ranks", "micro_batches"), [(1, 1), (1, 3), (2, 1), (2, 3), (4, 2)])
def test_the_micro_batches_of_all_processes_are_the_mini_batch(rows: int, ranks: int, micro_batches: int) -> None:
    divisions = [Division(rank, ranks, micro_batches) for rank in range(ranks)]
    assert sorted(number for division in divisions for number in division.own) == list(range(ranks * micro_batches))
    cut = [division.cut([torch.arange(rows), torch.arange(rows) + 100]) for division in divisions]
    assert {len(pieces) for pieces in cut} == {2 * micro_batches}
    first = torch.cat([piece for pieces in cut for piece in pieces[:micro_batches]])
    second = torch.cat([piece for pieces in cut for piece in pieces[micro_batches:]])
    assert sorted(first.tolist()) == list(range(rows))
    assert sorted(second.tolist()) == list(range(100, 100 + rows))


def test_the_first_micro_batches_of_all_processes_follow_each_other() -> None:
    """So that one process that goes over a mini-batch in micro-batches takes them in the order of the rows."""
    cut = [Division(rank, 2, 2).cut([torch.arange(8)]) for rank in range(2)]
    assert [[piece.tolist() for piece in pieces] for pieces in cut] == [[[0, 1], [4, 5]], [[2, 3], [6, 7]]]
