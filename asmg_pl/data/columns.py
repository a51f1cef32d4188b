"""The columns of consecutive rows, and the sequence that holds their histories.

history_end          4                 9   7          offsets into the sequence
history_length       2                 3   1          number of entries before the offset
                     ▼                 ▼   ▼
sequence    … [ 8  3 ] 5 … │ [ 6 [ 9 ] 9 ] …          each user's items, each written once
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from asmg_pl.data.batch import Batch
from asmg_pl.data.kernels import columns as kernel
from asmg_pl.system.lazy import later

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = later("torch")


class Columns(NamedTuple):
    """The columns of ``n`` rows, all on one device.

    Attributes:
        user: int32 [n].
        item: int32 [n].
        label: uint8 [n], 1 for a positive interaction.
        time: int64 [n], non-decreasing in a stream.
        history_end: int32 or int64 [n], the row's history ends (exclusive) at this offset of ``sequence``.
        history_length: uint8, int16 or int32 [n], the number of entries before that offset that belong to the row.
        sequence: int32 [entries], the items that enter histories, grouped by user, oldest first.
        context: categorical features, int32 [n] each.
        numbers: numeric features, NaN for missing values, float32 [n, M]; ``None`` if there are none.
        lists: multi-valued features, padded with -1, int32 [n, F, L]; ``None`` if there are none.
        weight: what the row counts, float32 [n]; ``None`` if each row counts 1.
        labels: further labels, NaN where nobody knows, float32 [n, K]; ``None`` if there are none.
    """

    user: Tensor
    item: Tensor
    label: Tensor
    time: Tensor
    history_end: Tensor
    history_length: Tensor
    sequence: Tensor
    context: tuple[Tensor, ...] = ()
    numbers: Tensor | None = None
    lists: Tensor | None = None
    weight: Tensor | None = None
    labels: Tensor | None = None

    @classmethod
    def from_numpy(cls, arrays: Mapping[str, np.ndarray]) -> Columns:
        """Wrap arrays by the names of :meth:`arrays`, without a copy."""
        return cls.named({name: torch.from_numpy(array) for name, array in arrays.items()})

    @classmethod
    def named(cls, columns: Mapping[str, Tensor]) -> Columns:
        """Take columns by the names of :meth:`arrays`."""
        plain = {name: column for name, column in columns.items() if name in cls._fields}
        context = tuple(columns[f"context-{feature}"] for feature in range(len(columns) - len(plain)))
        return cls(**plain, context=context)

    def arrays(self) -> dict[str, np.ndarray]:
        """The columns that there are by name, those of context features as ``context-0`` and so on, without a copy."""
        names = [name for name in self._fields if name != "context" and getattr(self, name) is not None]
        plain = {name: getattr(self, name).numpy() for name in names}
        return plain | {f"context-{feature}": column.numpy() for feature, column in enumerate(self.context)}

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.user)

    def between(self, begin: int, end: int) -> Columns:
        """The rows ``begin … end - 1``, as views."""
        return self._each(lambda column: column[begin:end])

    def take(self, rows: Tensor) -> Columns:
        """The rows at these positions, int64 [m], as copies."""
        return self._each(lambda column: column[rows])

    def to(self, device: torch.device) -> Columns:
        """The same rows on a device."""
        return self._each(lambda column: column.to(device))._replace(sequence=self.sequence.to(device))

    def by_row(self) -> list[Tensor]:
        """The columns that identify a row; the place of its history in the sequence is not one of them."""
        further = [getattr(self, name) for name in self._further]
        return [self.user, self.item, self.label, self.time, self.history_length, *self.context, *further]

    def compact(self, history_size: int) -> Columns:
        """The same rows with histories of at most ``history_size`` items, and only these items in the sequence.

        Histories that overlap or touch stay one stretch, so that each item is still stored once.
        """
        length = self.history_length.long().clamp_(max=history_size)
        start, order = (self.history_end - length).sort()
        end = start + length[order]
        reach = end.cummax(0).values
        first = torch.ones_like(start, dtype=torch.bool)  # whether this history begins a new stretch
        first[1:] = start[1:] > reach[:-1]
        begins, size = start[first], reach[first.roll(-1)] - start[first]
        offset = size.cumsum(0) - size  # offset of the stretch in the new sequence
        moved = torch.empty_like(end)
        moved[order] = end + (offset - begins)[first.cumsum(0) - 1]
        kept = (begins - offset).repeat_interleave(size) + torch.arange(int(size.sum()))
        return self._replace(
            history_end=moved.to(self.history_end.dtype),
            history_length=length.to(self.history_length.dtype),
            sequence=self.sequence[kept],
        )

    @classmethod
    def concatenate(cls, pieces: Sequence[Columns]) -> Columns:
        """The rows of several pieces one after the other, with one sequence."""
        if len(pieces) == 1:
            return pieces[0]
        before = accumulate((len(piece.sequence) for piece in pieces), initial=0)
        moved = [
            piece._replace(history_end=piece.history_end.long() + n) for piece, n in zip(pieces, before, strict=False)
        ]
        names = (*BY_ROW, *moved[0]._further, "sequence")
        whole = {name: torch.cat([getattr(piece, name) for piece in moved]) for name in names}
        context = tuple(torch.cat(columns) for columns in zip(*(piece.context for piece in moved), strict=True))
        return cls(**whole, context=context)

    def batch(self, rows: Tensor, history_size: int) -> Batch:
        """Gather the rows at these positions, int64 [B], with histories of at most ``history_size`` items."""
        end, length, user, item, label = (
            column.index_select(0, rows)
            for column in (self.history_end, self.history_length, self.user, self.item, self.label)
        )
        length = length.int().clamp_(max=history_size)
        # In 32 bits until the end. An entry before the user's first one is read as well, and then zeroed.
        back = torch.arange(1, history_size + 1, dtype=torch.int32, device=rows.device)
        places = (end[:, None] - back).clamp_(min=0)  # [B, T]
        sequence = self.sequence if len(self.sequence) else self.sequence.new_zeros(1)
        history = sequence.index_select(0, places.view(-1)).view(places.shape) * (back <= length[:, None])
        return Batch(
            user=user.long(),
            item=item.long(),
            history=history.long(),
            history_length=length.long(),
            label=label.float(),
            context=kernel.take(self.context, rows) if self.context else None,
            numbers=None if self.numbers is None else self.numbers.index_select(0, rows),
            lists=None if self.lists is None else self.lists.index_select(0, rows).long(),
            weight=None if self.weight is None else self.weight.index_select(0, rows),
            labels=None if self.labels is None else self.labels.index_select(0, rows),
        )

    def _each(self, change: Callable[[Tensor], Tensor]) -> Columns:
        by_row = {name: change(getattr(self, name)) for name in (*BY_ROW, *self._further)}
        return self._replace(**by_row, context=tuple(change(column) for column in self.context))

    @property
    def _further(self) -> list[str]:
        """Those columns of ``FURTHER`` that there are."""
        return [name for name in FURTHER if getattr(self, name) is not None]


#: The columns that every row has, without ``context``.
BY_ROW = ("user", "item", "label", "time", "history_end", "history_length")

#: The columns that the rows of some streams have.
FURTHER = ("numbers", "lists", "weight", "labels")
