"""What a stream has said of users and items up to a row: latest histories and features, items had, popularity.

    rows     0 ……… b_1 ……… b_2 ……… b_3        read on from where the last period has ended, each row once

These are the same facts that the next row's history has, for every user, whether or not the user has a next row.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from asmg_pl.data.columns import Columns
from asmg_pl.data.latest import Latest
from asmg_pl.data.log import InteractionLog
from asmg_pl.data.sizes import Side

#: What a positive counts in the popularity of its item, relative to one of the period after it.
DECAY = 0.9

#: Rows that are read at a time.
CHUNK = 2**22


class SoFar:
    """Facts of a stream up to a row, which read on as the stream is walked.

    Attributes:
        rows: how many rows have been read.
        popularity: the decayed count of the positives of each item, each of its weight, float64 [items].

    Examples:
        >>> import polars as pl
        >>> columns = {"user": [5, 5, 6, 5], "item": [1, 2, 2, 1], "label": [1, 1, 0, 1], "time": [1, 2, 3, 4]}
        >>> so_far = SoFar(InteractionLog.from_frame(pl.DataFrame(columns)), history_size=2)
        >>> so_far.read(3)
        >>> so_far.read(4)
        >>> so_far.history(users=2)  # the latest first, as items and offsets
        (array([0, 1], dtype=int32), array([0, 2, 2]))
        >>> so_far.seen(users=2)[0].tolist(), so_far.popularity.tolist()
        ([0, 1], [1.9, 0.9])
    """

    def __init__(self, log: InteractionLog, history_size: int) -> None:
        """Read nothing yet but the rows that belong to no period.

        Args:
            log: the stream.
            history_size: the longest history.
        """
        self.rows = 0
        self.popularity = np.zeros(0)
        self._log, self._history_size = log, history_size
        self._user = self._item = np.zeros(0, np.int32)  # entries of histories by user, the oldest first
        self._pairs = np.zeros(0, np.int64)  # user and item in one number, distinct and sorted
        sides: tuple[Side, ...] = ("user", "item")
        self._latest_values = {side: Latest(log.sizes, side) for side in sides}
        if log.before is not None:
            self._add(log.before, 0, len(log.before))

    def read(self, until: int) -> None:
        """Read on up to a row, which is excluded. What is read at a time is one period for the popularity."""
        self.popularity *= DECAY
        self._add(self._log, self.rows, until)
        self.rows = until

    def history(self, users: int) -> tuple[np.ndarray, np.ndarray]:
        """The latest items of each user, the latest first: items, int32 [n], and offsets, int64 [users + 1]."""
        offsets = _offsets(self._user, users)
        ends = offsets[self._user.astype(np.int64) + 1]
        back = ends - 1 - (np.arange(len(self._user)) - offsets[self._user])  # the same list, turned round
        return self._item[back], offsets

    def seen(self, users: int) -> tuple[np.ndarray, np.ndarray]:
        """The distinct items that entered each user's histories, ascending: items, int32 [n], and offsets."""
        return (self._pairs & 0xFFFFFFFF).astype(np.int32), _offsets(self._pairs >> 32, users)

    def features(self, users: int, items: int) -> dict[str, np.ndarray]:
        """The latest values of the features of users and items, as ``user/numbers`` and so on.

        See :meth:`~asmg_pl.data.latest.Latest.values`.
        """
        counts = {"user": users, "item": items}
        return {
            f"{side}/{kind}": values
            for side, latest in self._latest_values.items()
            for kind, values in latest.values(counts[side]).items()
        }

    def _add(self, log: InteractionLog, begin: int, end: int) -> None:
        for part in _chunks(log, begin, end):
            user, item, label = part.user.numpy(), part.item.numpy(), part.label.numpy()
            for latest in self._latest_values.values():
                latest.add(part)
            positive = label > 0
            enters = positive if self._log.history == "positive" else np.ones(len(label), bool)
            weight = None if part.weight is None else part.weight.numpy()[positive]
            counts = np.bincount(item[positive], weight, len(self.popularity)).astype(float)
            counts[: len(self.popularity)] += self.popularity
            self.popularity = counts
            user, item = user[enters], item[enters]
            self._pairs = np.union1d(self._pairs, user.astype(np.int64) << 32 | item)
            self._user, self._item = self._latest(np.append(self._user, user), np.append(self._item, item))

    def _latest(self, user: np.ndarray, item: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The latest entries of each user, by user."""
        order = np.argsort(user, kind="stable")
        user, item = user[order], item[order]
        ends = np.cumsum(np.bincount(user)) if len(user) else np.zeros(0, np.int64)
        kept = ends[user] - np.arange(len(user)) <= self._history_size
        return user[kept], item[kept]


def _chunks(log: InteractionLog, begin: int, end: int) -> Iterator[Columns]:
    """The columns of some rows, a chunk at a time."""
    for start in range(begin, end, CHUNK):
        yield from log.between(start, min(start + CHUNK, end)).parts


def _offsets(users_of_entries: np.ndarray, users: int) -> np.ndarray:
    """Where the entries of each user begin, if they stand by user, and where the last ones end, int64 [users + 1]."""
    return np.append(0, np.cumsum(np.bincount(users_of_entries, minlength=users))).astype(np.int64)
