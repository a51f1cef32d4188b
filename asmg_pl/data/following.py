"""What followed what: how often an item came right after another one in a user's history, up to a row.

    user's history     a ─▶ b ─▶ a ─▶ c      counts: a b 1, b a 1, a c 1

It is the simplest model of the next item, a Markov chain of first order. Source: Ludewig and Jannach, "Evaluation of
Session-Based Recommendation Algorithms", UMUAI 2018, where it is called "MC".
"""

from __future__ import annotations

import numpy as np
import torch

from asmg_pl.data.log import InteractionLog
from asmg_pl.data.so_far import CHUNK, DECAY


class Following:
    """Decayed counts of pairs of items, each of its later row's weight, which read on as the stream is walked.

    Attributes:
        rows: how many rows have been read.

    Examples:
        >>> import polars as pl
        >>> columns = {"user": [5, 5, 6, 5], "item": [1, 2, 2, 3], "label": [1] * 4, "time": range(4)}
        >>> following = Following(InteractionLog.from_frame(pl.DataFrame(columns)))
        >>> following.read(4)
        >>> following.after(0), following.after(1), following.after(2)  # items are numbered by first appearance
        ((array([1]), array([1.])), (array([2]), array([1.])), (array([], dtype=int64), array([], dtype=float64)))
    """

    def __init__(self, log: InteractionLog) -> None:
        """Read nothing yet.

        Args:
            log: the stream.
        """
        self.rows = 0
        self._log = log
        self._pairs: np.ndarray = np.zeros(
            0, np.int64
        )  # an item and the one after it in one number, distinct and sorted
        self._counts: np.ndarray = np.zeros(0)

    def read(self, until: int) -> None:
        """Read on up to a row, which is excluded. What is read at a time is one period for the counts."""
        self._counts *= DECAY
        size = 0 if self._log.longest_history == 0 else 1
        for begin in range(self.rows, until, CHUNK):
            batch = self._log.batch(torch.arange(begin, min(begin + CHUNK, until)), size)
            follows = (batch.label > 0) & (batch.history_length > 0)
            if size and bool(follows.any()):
                weight = torch.ones_like(batch.label) if batch.weight is None else batch.weight
                pairs = batch.history[follows, 0] << 32 | batch.item[follows]
                self._add(pairs.numpy(), weight[follows].double().numpy())
        self.rows = until

    def after(self, item: int) -> tuple[np.ndarray, np.ndarray]:
        """The items that came after one, ascending, int64 [n], and how often, float64 [n]."""
        begin, end = np.searchsorted(self._pairs, [item << 32, (item + 1) << 32])
        return self._pairs[begin:end] & 0xFFFFFFFF, self._counts[begin:end]

    def _add(self, pairs: np.ndarray, counts: np.ndarray) -> None:
        distinct, place = np.unique(np.concatenate([self._pairs, pairs]), return_inverse=True)
        all_counts = np.concatenate([self._counts, counts])
        self._pairs, self._counts = distinct, np.bincount(place, all_counts, minlength=len(distinct))
