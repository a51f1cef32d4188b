"""Ids come and go: which users and items have a row of their own in the tables, and which row, by the end of a period.

    seen        once   twice             not for n periods        again, twice
    id 7    ──────┼──────┼───────────────────┼───────────────────────┼────────▶
    row           0      5  5  5  5  5  5    0   (5 is free)         3
               shared    its own          shared                     another's, freed

Row 0 is shared by all ids without a row of their own. An id gets its own row when it has been seen often enough
(*admission*), the lowest that is free, and gives it back when it has not been seen for a while (*expiry*). The rows of
the stream alone decide, period by period, so nothing of it is saved: whoever has the stream finds the same rows.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from asmg_pl.data.log import InteractionLog
from asmg_pl.errors import ConfigError

#: What comes and goes: tables whose name begins with one of these.
KINDS = ("user", "item")


class Lifetimes:
    """A rule of which ids have rows of their own.

    A sighting is a row of the stream, with any label; negatives that a walk draws and entries of histories are none.

    Examples:
        >>> import polars as pl
        >>> rows = pl.DataFrame({"user": [0, 0, 0, 0], "item": [7, 7, 8, 9], "label": [1] * 4, "time": [1, 2, 3, 4]})
        >>> log = InteractionLog.from_frame(rows)
        >>> tenants = Lifetimes(admit_after=2).follow(log, "item", boundaries=[0, 1, 2, 4])
        >>> [tenants.rows_at(period).tolist() for period in (1, 2, 3)]  # only the first item is seen twice
        [[0, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]
    """

    def __init__(
        self, admit_after: int = 1, expire_after: int | None = None, users: bool = True, items: bool = True
    ) -> None:
        """Set when ids come and go.

        Args:
            admit_after: how often an id must have been seen to have a row of its own. Before, it has the shared row.
            expire_after: for how many periods an id must not have been seen to lose its row, which another one then
                gets. It is counted anew if it comes again. By default ids keep their rows.
            users: whether users come and go.
            items: whether items come and go.

        Raises:
            ConfigError: if a number is below 1, or nothing comes and goes.
        """
        if admit_after < 1:
            raise ConfigError(f"data.lifetimes.admit_after must be at least 1, got {admit_after}")
        if expire_after is not None and expire_after < 1:
            raise ConfigError(f"data.lifetimes.expire_after must be at least 1, got {expire_after}")
        if not users and not items:
            raise ConfigError("data.lifetimes: users and items are both false: leave data.lifetimes out")
        self.admit_after, self.expire_after = admit_after, expire_after
        self.users, self.items = users, items

    def __str__(self) -> str:
        """The rule in words."""
        expired = "" if self.expire_after is None else f", expired after {self.expire_after} periods unseen"
        times = f"{self.admit_after} sighting{'s' * (self.admit_after > 1)}"
        return f"{' and '.join(self.kinds)} admitted after {times}{expired}"

    @property
    def kinds(self) -> tuple[str, ...]:
        """What comes and goes: ``"user"``, ``"item"`` or both."""
        return tuple(kind for kind, wanted in zip(KINDS, (self.users, self.items), strict=True) if wanted)

    def follow(self, log: InteractionLog, kind: str, boundaries: list[int]) -> Tenants:
        """Go through a stream once, period by period; rows before the first period count as one before it.

        Args:
            log: the stream.
            kind: ``"user"`` or ``"item"``.
            boundaries: of the periods.
        """
        ids = getattr(log.sizes, f"{kind}s")
        seen, last = np.zeros(ids, np.int32), np.zeros(ids, np.int32)
        row = np.zeros(ids, np.int32)
        free, used, changes, by_period = np.zeros(0, np.int32), 1, [], []
        for period, there in enumerate(_sightings(log, kind, boundaries)):
            found, times = np.unique(there, return_counts=True)
            seen[found] += times.astype(np.int32)
            last[found] = period
            by_period.append(found if self.expire_after is not None else found[:0])
            gone = np.zeros(0, np.int64)
            if self.expire_after is not None and period >= self.expire_after:
                unseen = by_period[period - self.expire_after]
                by_period[period - self.expire_after] = unseen[:0]  # no longer needed
                gone = unseen[last[unseen] == period - self.expire_after]
                free = np.sort(np.concatenate([free, row[gone][row[gone] > 0]]))
                row[gone], seen[gone] = 0, 0
            come = found[(row[found] == 0) & (seen[found] >= self.admit_after)]
            taken = free[: len(come)]
            free, more = free[len(taken) :], len(come) - len(taken)
            row[come] = np.concatenate([taken, np.arange(used, used + more, dtype=np.int32)])
            used += more
            changes.append(Change(torch.from_numpy(gone), torch.from_numpy(come), torch.from_numpy(row[come]), used))
        return Tenants(ids, changes)


class Change(NamedTuple):
    """What a period changes.

    Attributes:
        gone: ids that have no row of their own any more, int64 [n].
        come: ids that have one from now on, int64 [m].
        rows: their rows, int32 [m].
        used: how many rows have ever been used by now, the shared one included.
    """

    gone: Tensor
    come: Tensor
    rows: Tensor
    used: int


class Tenants:
    """The rows of all ids of one kind, by the end of any period.

    Attributes:
        ids: how many ids the stream has.
        changes: of each period; the first of them is of the rows before the first period.
    """

    def __init__(self, ids: int, changes: list[Change]) -> None:
        """Stand at the beginning.

        Args:
            ids: how many ids the stream has.
            changes: of each period, from 0.
        """
        self.ids, self.changes = ids, changes
        self._period, self._rows = -1, torch.zeros(ids + 1, dtype=torch.int32)

    def rows_at(self, period: int) -> Tensor:
        """The row of each id by the end of a period, int32 [ids + 1]; the last entry stands for ids unknown here."""
        if period < self._period:
            self._period, self._rows = -1, torch.zeros_like(self._rows)
        for change in self.changes[self._period + 1 : period + 1]:
            self._rows[change.gone] = 0
            self._rows[change.come] = change.rows
        self._period = max(self._period, min(period, len(self.changes) - 1))
        return self._rows.clone()

    def used(self, period: int) -> int:
        """How many rows have ever been used by the end of a period, the shared one included."""
        return self.changes[min(period, len(self.changes) - 1)].used

    def in_use(self, period: int) -> int:
        """How many ids have a row of their own by the end of a period."""
        return int((self.rows_at(period) > 0).sum())

    def begun(self, period: int) -> Tensor:
        """The rows that ids get with a period, int64 [m]."""
        return self.changes[period].rows.long()


def _sightings(log: InteractionLog, kind: str, boundaries: list[int]) -> list[np.ndarray]:
    """The ids of the rows before the first period, and of each period, one array each."""
    earlier = [] if log.before is None else [getattr(log.before, kind).numpy()]
    first = np.concatenate([*earlier, _column(log, kind, 0, boundaries[0])])
    return [first, *(_column(log, kind, *ends) for ends in pairwise(boundaries))]


def _column(log: InteractionLog, kind: str, begin: int, end: int) -> np.ndarray:
    column: Tensor = getattr(log.between(begin, end), kind)
    return column.numpy()
