"""Counts, a block of scores at a time, which candidates stand above the items of some cases, and what their lists have.

    scores [c, m] of c cases and m items ─▶ above, ties [c]     ids of the first places so far [c, K]

So the memory does not grow with the number of items.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Scores that differ by less than this share are equal: rounding makes such differences.
ROUNDING = 1e-6


class Tally:
    """The counts of some cases.

    Attributes:
        above: how many candidates have a higher score than the case's item, int64 [c].
        ties: how many other candidates have the same one, int64 [c].
        broken: whether a score was NaN or infinite, bool [c].
        listed: the items of the first places, the best first, -1 where there is no further candidate, int64 [c, K].

    Examples:
        >>> case = torch.tensor([2]), torch.tensor([4]), (torch.tensor([0]), torch.tensor([1]))  # item 1 is excluded
        >>> tally = Tally(*case, score=torch.tensor([0.5]), longest=2)
        >>> tally.add(torch.tensor([0, 1]), torch.tensor([[0.7, 0.9]]))
        >>> tally.add(torch.tensor([2, 3]), torch.tensor([[0.5, 0.5]]))
        >>> tally.above.tolist(), tally.ties.tolist(), tally.listed.tolist()
        ([1], [1], [[0, 2]])
    """

    def __init__(
        self, item: Tensor, candidates: Tensor, excluded: tuple[Tensor, Tensor], score: Tensor, longest: int
    ) -> None:
        """Count nothing yet.

        Args:
            item: the item of each case, int64 [c].
            candidates: items with an id below this number are candidates, int64 [c].
            excluded: places of cases, and items that are no candidates of theirs, int64 [pairs] each.
            score: of each case's item, float [c].
            longest: the longest list, K.
        """
        self.above, self.ties = torch.zeros_like(item), torch.zeros_like(item)
        self.broken = ~score.isfinite()
        self.listed = item.new_full((len(item), longest), -1)
        self._values = score.new_full((len(item), longest), -torch.inf)
        self._item, self._candidates, self._excluded = item, candidates, excluded
        self._low, self._high = score - ROUNDING * score.abs(), score + ROUNDING * score.abs()

    def add(self, items: Tensor, scores: Tensor) -> None:
        """Count a block of candidates; blocks come in the order of ids, so that of equal scores the first is listed.

        Args:
            items: consecutive ids, int64 [m].
            scores: float [c, m].
        """
        self.broken |= ~scores.isfinite().all(1)
        begin, end = int(items[0]), int(items[-1]) + 1
        scores = scores.masked_fill(items >= self._candidates[:, None], -torch.inf)
        place, item = self._excluded
        here = (item >= begin) & (item < end)
        scores[place[here], item[here] - begin] = -torch.inf
        self._list(items, scores)
        own = torch.nonzero((self._item >= begin) & (self._item < end)).flatten()
        scores[own, self._item[own] - begin] = -torch.inf
        higher = (scores > self._high[:, None]).sum(1)
        self.above += higher
        self.ties += (scores >= self._low[:, None]).sum(1) - higher

    def add_drawn(self, row: int, scores: Tensor, counts: Tensor) -> None:
        """Count candidates that are drawn for one case; they are in no list.

        Args:
            row: the place of the case.
            scores: float [S].
            counts: whether a candidate counts, bool [S].
        """
        self.broken[row] |= ~scores.isfinite().all()
        higher = (counts & (scores > self._high[row])).sum()
        self.above[row] += higher
        self.ties[row] += (counts & (scores >= self._low[row])).sum() - higher

    def _list(self, items: Tensor, scores: Tensor) -> None:
        """Put the block's best candidates into the lists."""
        longest = self.listed.shape[1]
        places = first(scores, longest)
        values = torch.cat([self._values, scores.gather(1, places)], dim=1)
        listed = torch.cat([self.listed, items[places]], dim=1)
        order = values.sort(dim=1, descending=True, stable=True).indices[:, :longest]
        self._values = values.gather(1, order)
        self.listed = listed.gather(1, order).masked_fill(self._values == -torch.inf, -1)


def first(scores: Tensor, count: int) -> Tensor:
    """The columns of the largest scores of each row, int64 [c, count at most], in the order of columns.

    Of equal scores, the first columns are taken, which ``topk`` does not promise.

    Examples:
        >>> first(torch.tensor([[0.2, 0.5, 0.2, 0.2]]), 2)
        tensor([[0, 1]])
    """
    count = min(count, scores.shape[1])
    values, places = scores.topk(count)
    least = values[:, -1:]
    crowded = (scores == least).sum(1) > (values == least).sum(1)
    crowded &= least[:, 0] > -torch.inf
    if bool(crowded.any()):
        places[crowded] = scores[crowded].sort(dim=1, descending=True, stable=True).indices[:, :count]
    return places.sort(dim=1).values
