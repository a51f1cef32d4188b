"""Finds the latest items of each user before an append, in the parts that hold them."""

from __future__ import annotations

import numpy as np
import torch

from asmg_pl.data.histories import Histories, Past, histories, spans
from asmg_pl.data.log import InteractionLog
from asmg_pl.data.stream.manifest import Manifest
from asmg_pl.errors import DataError

#: For each user, the part whose sequence has the latest items of the history, their end in it, and their number.
TAIL = np.dtype([("part", np.int32), ("end", np.int64), ("length", np.int32)])


def densely(user: np.ndarray, users: int) -> tuple[np.ndarray, np.ndarray]:
    """The distinct ids in ``user``, ascending, and each row's place among them; ``users`` is the number of all ids."""
    occurs = np.zeros(users, dtype=bool)
    occurs[user] = True
    return np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[user]


def past_of(users: np.ndarray, tails: np.ndarray, log: InteractionLog, begins: int, manifest: Manifest) -> Past:
    """Read the histories that a stream has of some users.

    Args:
        users: ids, ascending; users who are new to the stream have no past.
        tails: the place of each user's latest items, ``TAIL`` [all users].
        log: the stream.
        begins: the time at which the new rows begin.
        manifest: the manifest of the stream.
    """
    ended = manifest.parts[-1].last_time
    same_moment = np.zeros(len(users), dtype=np.int64)
    if begins == ended:  # entries at this very moment are in no history of rows with the same time
        last = log.between(int(log.first_from(torch.tensor([ended]))[0]), len(log))
        entered = last.user[last.label == 1] if manifest.history == "positive" else last.user
        same_moment += np.bincount(entered.numpy(), minlength=int(users[-1]) + 1)[users]
    tails = tails[users]
    earlier = np.minimum(tails["length"] - same_moment, manifest.carry)
    taken = earlier + same_moment
    items, place = np.empty(int(taken.sum()), np.int32), np.cumsum(taken) - taken
    for part in np.unique(tails["part"][taken > 0]):
        here = (tails["part"] == part) & (taken > 0)
        found = spans(tails["end"][here] - taken[here], taken[here])
        items[spans(place[here], taken[here])] = log.parts[part].sequence.numpy()[found]
    return Past(items, earlier, same_moment, ended)


def advance(
    rows: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    tails: np.ndarray,
    log: InteractionLog | None,
    manifest: Manifest,
) -> Histories:
    """Find the histories of the rows of a new part, and move ``tails`` to their end.

    Args:
        rows: users, items, labels and times, by time.
        tails: the place of each user's latest items, ``TAIL`` [all users].
        log: the stream up to these rows; ``None`` if they are the first.
        manifest: the manifest of the stream up to these rows.

    Raises:
        DataError: if the sequence of the part would be too long.
    """
    user, item, label, time = rows
    active, local = densely(user, len(tails))
    past = None if log is None else past_of(active, tails, log, int(time[0]), manifest)
    enters = label.astype(bool) if manifest.history == "positive" else np.ones(len(label), dtype=bool)
    found = histories(local, item, time, enters, past)
    if len(found.sequence) >= 2**31:
        raise DataError(f"{len(user)} rows with their histories are too many for one part: append them in pieces")
    tails["part"][active] = len(manifest.parts)
    tails["end"][active] = found.segment_end
    tails["length"][active] = found.segment_length
    return found
