"""Rows of a table as they stand in a history: kernels read them in place, plain operations get copies side by side.

slots of the ring   [ Θ_{t-1} | Θ_t | Θ_{t-2} ]        order: 2, 0, 1
rows                every k-th snapshot's rows 5, 3, 8, or a range of rows in one piece
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class StoredRows:
    """Rows of a table in the snapshots of a history.

    Attributes:
        snapshots: the table in all slots, float [S, N, D].
        order: the slots that are read, oldest snapshot first, int64 [k], on the table's device.
        hidden: the state before the oldest snapshot, float32 or bfloat16 [N, D, H]; without a row, [0, D, H], where the
            state of all rows is 0.
        rows: which rows, int64 [n], with or without repetitions; or a range of rows.
        counts: the rows' counts of updates in all slots, int32 [S, N, 3], if they are kept.
        asked: after which snapshots each row is read, bool [k, n], contiguous; ``None`` if after all. What is generated
            elsewhere may be anything finite, and its gradient must be 0.

    Examples:
        >>> snapshots = torch.arange(12.0).view(3, 4, 1)  # three slots of a table of four rows
        >>> stored = StoredRows(snapshots, torch.tensor([2, 0, 1]), torch.zeros(4, 1, 0), range(1, 3))
        >>> window, state = stored.copied()
        >>> window.squeeze(-1)
        tensor([[ 9., 10.],
                [ 1.,  2.],
                [ 5.,  6.]])
    """

    snapshots: Tensor
    order: Tensor
    hidden: Tensor
    rows: Tensor | range
    counts: Tensor | None = None
    asked: Tensor | None = None

    @classmethod
    def beside(cls, window: Tensor, hidden: Tensor) -> StoredRows:
        """Rows that stand side by side: values, oldest first, float [k, n, D], and state, float [n, D, H]."""
        order = torch.arange(len(window), device=window.device)
        return cls(window.contiguous(), order, hidden.contiguous(), range(len(hidden)))

    def __len__(self) -> int:
        """The number of rows, n."""
        return len(self.rows)

    def copied(self) -> tuple[Tensor, ...]:
        """What plain operations need.

        Returns:
            The rows in all snapshots, oldest first, float [k, n, D]; their state, float [n, D, H]; and, if they are
            kept, their counts of updates, float [k, n, 3].
        """
        window = self._of_each(self.snapshots)
        if not len(self.hidden):
            state = window.new_zeros(len(self), *self.hidden.shape[1:])
        elif isinstance(self.rows, range):
            state = self.hidden[self.rows.start : self.rows.stop].float()
        else:  # a row in one piece is copied much faster
            state = F.embedding(self.rows, self.hidden.flatten(1)).float().view(len(self), *self.hidden.shape[1:])
        return (window, state) if self.counts is None else (window, state, self._of_each(self.counts).float())

    def oldest(self) -> StoredRows:
        """The same rows in the oldest snapshot alone."""
        return replace(self, order=self.order[:1], asked=None)

    def pieces(self, size: int) -> list[StoredRows]:
        """The same rows, at most ``size`` at a time."""
        return [replace(self, rows=self.rows[i : i + size], asked=None) for i in range(0, len(self), size)]

    def keep_state(self, states: Tensor) -> None:
        """Set the state of the rows, float [n, D, H]."""
        if isinstance(self.rows, range):
            self.hidden[self.rows.start : self.rows.stop].copy_(states)
        else:
            self.hidden[self.rows] = states.to(self.hidden.dtype)

    def _of_each(self, slots: Tensor) -> Tensor:
        """The rows in each slot that is read, [k, n, …]."""
        if isinstance(self.rows, range):
            return slots[:, self.rows.start : self.rows.stop].index_select(0, self.order)
        # One lookup in all snapshots, stacked: row i of slot s stands at s N + i.
        places = self.order[:, None] * slots.shape[1] + self.rows
        return slots.flatten(0, 1).index_select(0, places.flatten()).view(*places.shape, slots.shape[2])
