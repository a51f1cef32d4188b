"""Finds each row's history, as a place in a sequence that stores every item once.

sequence   │ user 4: earlier items     │ … and new items     │ user 9: …
                                             ▲
history of a row  =  at most `longest` entries before its end, all of them strictly earlier than the row
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Past(NamedTuple):
    """The histories of users before some rows.

    Attributes:
        items: int32 [entries], grouped by user in ascending order, oldest first.
        earlier: int64 [users], the number of a user's entries that are earlier than all of these rows.
        same_moment: int64 [users], the number of entries after them that have the same time as the first of these rows.
        moment: the last time of the earlier rows; the first of these rows may have the same time.
    """

    items: np.ndarray
    earlier: np.ndarray
    same_moment: np.ndarray
    moment: int


class Histories(NamedTuple):
    """The histories of some rows, as places in a sequence.

    Attributes:
        end: int32 [rows], a row's history ends (exclusive) at this offset of ``sequence``.
        length: int32 [rows], the number of entries of the row's history.
        sequence: int32 [entries], grouped by user in ascending order, oldest first.
        segment_end: int64 [users], the offset at which each user's segment of ``sequence`` ends.
        segment_length: int64 [users], the number of entries in each user's segment.
    """

    end: np.ndarray
    length: np.ndarray
    sequence: np.ndarray
    segment_end: np.ndarray
    segment_length: np.ndarray


def histories(
    user: np.ndarray, item: np.ndarray, time: np.ndarray, enters: np.ndarray, past: Past | None = None
) -> Histories:
    """Find the histories of rows.

    Args:
        user: users, numbered from 0 without gaps among the users that occur here, [rows].
        item: item ids, int32 [rows].
        time: non-decreasing, [rows].
        enters: whether the row's item enters later histories, bool [rows].
        past: the histories before these rows; by default there are none.
    """
    users = int(user.max()) + 1
    nothing = np.zeros(users, dtype=np.int64)
    if past is None:
        past = Past(np.zeros(0, np.int32), nothing, nothing, int(time[0]) - 1)
    by_user = np.argsort(user, kind="stable")  # rows grouped by user, still in the order of time
    grouped, entering = user[by_user], enters[by_user]
    first = np.diff(grouped, prepend=-1) != 0
    before = np.cumsum(entering) - entering  # new entries before this row, of all users
    # Rows with equal times see only earlier entries, so all of them take the count at the first of them.
    moment_starts = first | (np.diff(time[by_user], prepend=time[by_user[0]] - 1) != 0)
    before_moment = before[np.maximum.accumulate(np.where(moment_starts, np.arange(len(user)), 0))]

    brought = past.earlier + past.same_moment
    own = np.bincount(grouped[entering], minlength=users)
    own_start = before[first]  # new entries of the users before this one
    segment_length = brought + own
    segment_end = np.cumsum(segment_length)
    start = segment_end - segment_length
    # A row whose time is the last moment of the past sees only entries before that moment.
    seen = np.where(
        time[by_user] > past.moment, brought[grouped] + before_moment - own_start[grouped], past.earlier[grouped]
    )
    end = np.empty(len(user), dtype=np.int32)
    length = np.empty(len(user), dtype=np.int32)
    end[by_user] = start[grouped] + seen
    length[by_user] = seen

    sequence = np.empty(int(segment_end[-1]), dtype=np.int32)
    sequence[spans(start, brought)] = past.items
    sequence[spans(start + brought, own)] = item[by_user][entering]
    return Histories(end, length, sequence, segment_end, segment_length)


def spans(start: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Concatenate the positions ``start … start + length - 1`` of several spans, int64."""
    before = np.cumsum(length) - length
    return np.repeat(start - before, length) + np.arange(int(length.sum()))
