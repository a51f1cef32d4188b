"""Choosing rows that cover ids of the greatest worth together: the greedy maximum weighted coverage.

row       A        B        C                 worth    user 1: 1    user 2: 1/2    item 7: 1/3
ids       1, 7     2, 7     1, 9
value     1 + 1/3  1/2+1/3  1                 A is taken; then B is worth 1/2 and C nothing; B is taken
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def cover(ids: Sequence[Tensor], worth: Sequence[Tensor], budget: int) -> Tensor:
    """Take, again and again, the row whose ids that no row taken so far has are worth most; of equals, the last.

    The greedy choice is within 1 - 1/e of the best one (Nemhauser, Wolsey and Fisher, 1978). Many rows are taken at a
    time: a row that is worth most among all rows that share an id with it is taken before them, whatever is taken
    elsewhere. Values fall as ids are covered, so that rows are taken in the order of their values.

    Args:
        ids: the ids of each row, int64 [n], one tensor for each kind of id.
        worth: the worth of each of these ids, float [n]; the same id has the same worth in every row.
        budget: the most rows that are taken.

    Returns:
        The places of the rows, int64, ascending.
    """
    covered = [torch.zeros(int(kind.max()) + 1 if len(kind) else 0, dtype=torch.bool) for kind in ids]
    left = torch.arange(len(ids[0]))
    places, values = [left[:0]], [worth[0][:0]]
    while len(left):
        gains = [torch.where(done[kind[left]], 0, of[left]) for done, kind, of in zip(covered, ids, worth, strict=True)]
        value = torch.stack(gains).sum(0)
        gainful = value > 0
        left, value, gains = left[gainful], value[gainful], [gain[gainful] for gain in gains]
        rank = torch.empty_like(left).scatter_(0, value.argsort(stable=True), torch.arange(len(left)))
        first = torch.ones(len(left), dtype=torch.bool)
        for kind, gain, done in zip(ids, gains, covered, strict=True):
            of = kind[left]
            best = torch.full((len(done),), -1).scatter_reduce_(0, of[gain > 0], rank[gain > 0], "amax")
            first &= (gain == 0) | (best[of] == rank)
        for kind, done in zip(ids, covered, strict=True):
            done[kind[left[first]]] = True
        places.append(left[first])
        values.append(value[first])
        left = left[~first]
    taken, value = torch.cat(places), torch.cat(values)
    newest = taken.argsort(descending=True)
    taken, value = taken[newest], value[newest]
    return taken[value.argsort(descending=True, stable=True)[:budget]].sort().values
