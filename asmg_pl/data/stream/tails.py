"""Where each user's history goes on: the latest items before an append, found in the parts that hold them."""

from __future__ import annotations

import numpy as np
import torch

from asmg_pl.data.histories import Past, spans
from asmg_pl.data.log import InteractionLog
from asmg_pl.data.stream.manifest import Manifest

#: By user: in which part's sequence the latest items of the history are, where they end, and how many are there.
TAIL = np.dtype([("part", np.int32), ("end", np.int64), ("length", np.int32)])


def densely(user: np.ndarray, users: int) -> tuple[np.ndarray, np.ndarray]:
    """The distinct ids among ``user``, ascending, and which of them each row has; ``users``: how many ids there are."""
    occurs = np.zeros(users, dtype=bool)
    occurs[user] = True
    return np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[user]


def past_of(users: np.ndarray, tails: np.ndarray, log: InteractionLog, begins: int, manifest: Manifest) -> Past:
    """What a stream has of some users' histories.

    Args:
        users: ids, ascending; those that the stream does not have yet have no past.
        tails: where each user's history goes on, ``TAIL`` [all users].
        log: the stream.
        begins: the time at which the new rows begin.
        manifest: the stream's.
    """
    ended = manifest.parts[-1].last_time
    same_moment = np.zeros(len(users), dtype=np.int64)
    if begins == ended:  # what was at this very moment is in no history of rows of the same moment
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
