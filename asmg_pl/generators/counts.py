"""Counts of updates: how often, and how lately, mini-batches have asked for the rows of tables.

    mini-batch of an update ─▶ pending ─ end of the pass, added up over ranks ─▶ asked ─ push ─▶ a snapshot's counts

The counts of a snapshot are three numbers for each row: the requests since the snapshot before, the requests in all
updates so far, and the snapshots since the last request. Pre-training is not counted, so that a walk may take it over
from another one. A row that a mini-batch asks for several times counts as often. A row without any request has 0 in all
three, however late it appears.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

#: The numbers of a row in a snapshot.
NUMBERS = 3

Sum = Callable[[str, Tensor], Tensor]


class UpdateCounts(nn.Module):
    """Counts the requests for rows, and keeps the counts of each snapshot of a history.

    Attributes:
        asked: by table, the requests since the last snapshot, int32 [N].
        snapshots: by table, the counts of each snapshot, int32 [k, N, 3].

    Examples:
        >>> counts = UpdateCounts({"item": torch.zeros(3, 8)}, slots=1)
        >>> counts.see("item", torch.tensor([0, 2, 2]), torch.ones(3, dtype=torch.int32))
        >>> counts.settle(lambda name, pending: pending)  # the only rank
        >>> counts.push(0, before=0)
        >>> counts.snapshots.get_buffer("item")
        tensor([[[1, 1, 0],
                 [0, 0, 0],
                 [2, 2, 0]]], dtype=torch.int32)
    """

    def __init__(self, tables: Mapping[str, Tensor], slots: int) -> None:
        """Begin with no requests.

        Args:
            tables: the tables by name, [N, D] each.
            slots: the number of snapshots, k.
        """
        super().__init__()
        self.asked, self.snapshots = nn.Module(), nn.Module()
        for name, table in tables.items():
            self.asked.register_buffer(name, torch.zeros(len(table), dtype=torch.int32, device=table.device))
            none = torch.zeros(slots, len(table), NUMBERS, dtype=torch.int32, device=table.device)
            self.snapshots.register_buffer(name, none)
        self._pending: dict[str, Tensor] = {}
        self.register_load_state_dict_post_hook(_forget_pending)  # type: ignore[no-untyped-call]

    def see(self, name: str, rows: Tensor, times: Tensor) -> None:
        """Count requests of a mini-batch.

        Args:
            name: the table.
            rows: places of the rows at hand, int64 [n], with repetitions.
            times: how often each is asked for, int32 [n].
        """
        if name not in self._pending:
            self._pending[name] = torch.zeros_like(self.asked.get_buffer(name))
        self._pending[name].index_add_(0, rows, times)

    def settle(self, add_up: Sum) -> None:
        """Add the pending requests to those since the last snapshot, at the end of a pass.

        Args:
            add_up: called with a table's name and its pending requests, int32 [N], for their sum over all processes.
        """
        for name, pending in self._pending.items():
            self.asked.get_buffer(name).add_(add_up(name, pending))
        self._pending = {}

    def push(self, slot: int, before: int) -> None:
        """Make the counts of a snapshot, and begin to count for the next one.

        Args:
            slot: where the snapshot is kept.
            before: where the one before it is.
        """
        for name, asked in self.asked.named_buffers():
            snapshots = self.snapshots.get_buffer(name)
            _, total, age = snapshots[before].unbind(-1)
            now = total + asked
            age = torch.where((asked > 0) | (now == 0), 0, age + 1)
            snapshots[slot] = torch.stack([asked, now, age], -1)
            asked.zero_()

    def resize(self, kept: Tensor) -> None:
        """Keep the snapshots of some slots, int64 [k], in this order."""
        for name, snapshots in self.snapshots.named_buffers():
            self.snapshots.register_buffer(name, snapshots.index_select(0, kept))


def _forget_pending(counts: UpdateCounts, incompatible: object) -> None:
    """After loading, forget what a pass has counted that was interrupted: it begins again."""
    counts._pending = {}
