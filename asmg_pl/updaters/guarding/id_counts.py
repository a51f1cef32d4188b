"""What has been seen of users and items by now: decayed counts of rows and clicks, the first and the last period.

id    rows   clicks   rows   clicks   first   last
      slow   slow     fast   fast                       six floats an id; an id that is not here is new
"""

from __future__ import annotations

import torch
from torch import Tensor

from asmg_pl.serving.head_features import OLDEST, WIDTH

#: What a period counts relative to the one after it, in the slow and in the fast counts.
SLOW, FAST = 0.9, 0.5


class IdCounts:
    """The counts of all ids of one kind. Ids are numbered by their first appearance in the stream.

    Attributes:
        table: float [ids, 6], in the order above; it has a row at least.

    Examples:
        >>> counts = IdCounts()
        >>> counts.add(11, torch.tensor([0, 0, 2]), torch.tensor([1.0, 0.0, 1.0]), known=1)
        >>> counts.table[:, :2].tolist()  # rows and clicks
        [[2.0, 1.0], [0.0, 0.0], [1.0, 1.0]]
        >>> from asmg_pl.serving.head_features import describe
        >>> describe(counts.table, torch.tensor([0, 7]), period=12, share=0.5)[:, 3].tolist()  # id 7 is new
        [0.0, 1.0]
    """

    def __init__(self) -> None:
        """Begin without any id."""
        self.table = torch.zeros(1, WIDTH)

    def add(self, period: int, ids: Tensor, label: Tensor, known: int, weight: Tensor | None = None) -> None:
        """Count the rows of a period, which has been scored.

        Args:
            period: its number.
            ids: the id of each row, int64 [N].
            label: 1 for a click and 0 otherwise [N].
            known: how many ids appeared before the period, here or before anything was counted.
            weight: what each row counts, float [N]; by default 1. A row of weight 0 has been seen all the same.
        """
        size = max(len(self.table), known, int(ids.max()) + 1 if len(ids) else 0)
        fresh = self.table.new_zeros(size - len(self.table), WIDTH, device=ids.device)
        table = torch.cat([self.table.to(ids.device), fresh]).T.contiguous()  # a column's numbers side by side
        earlier = torch.arange(size, device=ids.device) < known
        clicked = (label > 0).double()
        rows, clicks = _sums(ids, weight, size), _sums(ids, clicked if weight is None else weight * clicked, size)
        for column, decay in ((0, SLOW), (2, FAST)):
            table[column].mul_(decay).add_(rows)
            table[column + 1].mul_(decay).add_(clicks)
        first, last = table[4:]
        table[4:].masked_fill_(earlier & (first == 0), -float(OLDEST))
        seen = torch.zeros_like(earlier).index_fill_(0, ids, True)
        first.masked_fill_(seen & (first == 0), period)
        last.masked_fill_(seen, period)
        self.table = table.T.contiguous()


def _sums(ids: Tensor, weight: Tensor | None, size: int) -> Tensor:
    """How many rows each id has, int64 [size]; or what they weigh, float, added on the CPU, which has one order."""
    if weight is None:
        return torch.bincount(ids, minlength=size)
    return torch.bincount(ids.cpu(), weight.cpu(), size).to(ids.device)
