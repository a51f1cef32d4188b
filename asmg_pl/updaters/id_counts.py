"""What has been seen of users and items by now: decayed counts of rows and clicks, the first and the last period.

id    rows   clicks   rows   clicks   first   last
      slow   slow     fast   fast                       six floats an id; an id that is not here is new
"""

from __future__ import annotations

import torch
from torch import Tensor

#: What a period counts relative to the one after it, in the slow and in the fast counts.
SLOW, FAST = 0.9, 0.5

#: Rows with the mean click rate that are added to those of an id before its rate is taken.
SMOOTHING = 5.0

#: The oldest age that counts, in periods. Of ids that are older, or that nobody has counted from their first row on, it
#: is their age.
OLDEST = 8

WIDTH = 6


class IdCounts:
    """The counts of all ids of one kind. Ids are numbered by their first appearance in the stream.

    Attributes:
        table: float [ids, 6], in the order above; it has a row at least.

    Examples:
        >>> counts = IdCounts()
        >>> counts.add(11, torch.tensor([0, 0, 2]), torch.tensor([1.0, 0.0, 1.0]), known=1)
        >>> counts.table[:, :2].tolist()  # rows and clicks
        [[2.0, 1.0], [0.0, 0.0], [1.0, 1.0]]
        >>> describe(counts.table, torch.tensor([0, 7]), period=12, share=0.5)[:, 3].tolist()  # id 7 is new
        [0.0, 1.0]
    """

    def __init__(self) -> None:
        """Begin without any id."""
        self.table = torch.zeros(1, WIDTH)

    def add(self, period: int, ids: Tensor, label: Tensor, known: int) -> None:
        """Count the rows of a period, which has been scored.

        Args:
            period: its number.
            ids: the id of each row, int64 [N].
            label: 1 for a click and 0 otherwise [N].
            known: how many ids appeared before the period, here or before anything was counted.
        """
        size = max(len(self.table), known, int(ids.max()) + 1 if len(ids) else 0)
        fresh = self.table.new_zeros(size - len(self.table), WIDTH, device=ids.device)
        table = torch.cat([self.table.to(ids.device), fresh])
        earlier = torch.arange(size, device=ids.device) < known
        rows = torch.bincount(ids, minlength=size)
        clicks = torch.bincount(ids[label > 0], minlength=size)
        for column, decay in ((0, SLOW), (2, FAST)):
            table[:, column] = decay * table[:, column] + rows
            table[:, column + 1] = decay * table[:, column + 1] + clicks
        table[:, 4:] = torch.where((earlier & (table[:, 4] == 0))[:, None], -float(OLDEST), table[:, 4:])
        seen = rows > 0
        table[:, 4] = torch.where(seen & (table[:, 4] == 0), float(period), table[:, 4])
        table[:, 5] = torch.where(seen, float(period), table[:, 5])
        self.table = table


def describe(table: Tensor, ids: Tensor, period: int | Tensor, share: float | Tensor) -> Tensor:
    """Numbers that tell of each id what has been seen of it, float [B, 6].

    They are the logarithms of the slow and of the fast count of rows, the click rate's log-odds over those of the mean
    rate, whether the id is new, its age, and how long it has not been seen, both as logarithms of periods, of at most
    :data:`OLDEST`.

    Args:
        table: counts as in :class:`IdCounts`.
        ids: int64 [B].
        period: the period whose rows are described.
        share: the mean click rate.
    """
    found = table[ids.clamp(max=len(table) - 1)] * (ids < len(table))[:, None]
    rows, clicks, fast, _, first, last = found.unbind(1)
    odds = torch.log((clicks + SMOOTHING * share) / (rows - clicks + SMOOTHING * (1 - share)))
    odds = odds - torch.log(torch.as_tensor(share / (1 - share), device=odds.device))
    new = first == 0
    age, unseen = (torch.where(new, 0.0, (period - since).clamp(1, OLDEST).log()) for since in (first, last))
    return torch.stack([rows.log1p(), fast.log1p(), odds, new.float(), age, unseen], dim=1)
