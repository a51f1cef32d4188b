"""Gathers tables of which each process has some rows, a chunk of rows at a time.

    chunk of rows     0 … 65,535
    each process      its own rows, 0 for all others     ══ sum ══▶    the rows, on every process

So no process ever has a second table. All processes ask for the same chunks in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.distributed as dist
from torch import Tensor

from asmg_pl.distributed.exchange import Owners
from asmg_pl.distributed.layout import Layout
from asmg_pl.serving.arrays import CHUNK, Rows


class Gathering:
    """The tables that are being gathered.

    The first process reads the rows. The others call :meth:`finish` alone, and so does the first one afterwards, since
    it may have ended early because of an error.

    Examples:
        >>> Gathering().finish()  # of no tables at all
    """

    def __init__(self) -> None:
        """Begin without tables."""
        self._waiting: list[Iterator[Tensor]] = []

    def rows(self, own: Tensor, owners: Owners, wanted: int | Tensor, unknown: Tensor | None = None) -> Rows:
        """Some rows of a table.

        Args:
            own: the rows that this process has, float [n, D].
            owners: the owners of the table's rows.
            wanted: which rows of the table, int32 or int64 [m]; or how many of its first ones.
            unknown: the row of an id that is not known, see :class:`~asmg_pl.serving.arrays.Rows`.
        """
        count = wanted if isinstance(wanted, int) else len(wanted)
        numbers = _numbers(wanted) if isinstance(wanted, int) else iter(wanted.split(CHUNK))
        chunks = _chunks(own.detach(), owners.layout, numbers)
        self._waiting.append(chunks)
        return Rows((count, *own.shape[1:]), own.dtype, lambda: chunks, unknown)

    def finish(self) -> None:
        """Take part in what is left."""
        for chunks in self._waiting:
            for _ in chunks:
                pass


def _numbers(rows: int) -> Iterator[Tensor]:
    """The numbers of the first rows, in chunks."""
    for begin in range(0, rows, CHUNK):
        yield torch.arange(begin, min(begin + CHUNK, rows))


def _chunks(own: Tensor, layout: Layout, numbers: Iterator[Tensor]) -> Iterator[Tensor]:
    for rows in numbers:
        ids = rows.to(own.device, torch.int64)
        mine = layout.owner(ids) == layout.rank
        chunk = own.new_zeros(len(ids), *own.shape[1:])
        chunk[mine] = own[layout.local(ids[mine])]
        dist.all_reduce(chunk)
        yield chunk
