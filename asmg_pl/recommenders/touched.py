"""The rows of tables that mini-batches touch, and ranges of rows in chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from asmg_pl.recommenders.kernels import distinct as kernel
from asmg_pl.recommenders.lookup import SMALL


def touched_rows(ids: list[Tensor], table_rows: int, rows_on_other_ranks: int = 0) -> tuple[Tensor, list[Tensor]]:
    """The distinct ids among several tensors of ids, int64 [n], and where in it each id stands.

    A table much smaller than the number of ids is touched whole: sorting the ids would take longer than its rows.

    Args:
        ids: for rows of mini-batches, int64 [B, …] each.
        table_rows: rows of the table.
        rows_on_other_ranks: rows of the same mini-batches that other processes have. Their ids count too, so that all
            processes touch a table whole, or none.
    """
    count = sum(i.numel() + rows_on_other_ranks * i.shape[1:].numel() for i in ids)
    if 16 * table_rows <= count:
        return torch.arange(table_rows, device=ids[0].device), ids
    asked = ids[0].flatten() if len(ids) == 1 else torch.cat([i.flatten() for i in ids])
    touched, inverse = _distinct(asked, table_rows)
    parts = inverse.split([i.numel() for i in ids])
    return touched, [part.view_as(i) for part, i in zip(parts, ids, strict=True)]


def read_after(places: list[Tensor], rows: int, snapshots: int) -> Tensor:
    """After which snapshots each row is read, bool [k, n].

    Args:
        places: where among the rows the ids of each of the last snapshots' mini-batches stand, oldest first.
        rows: the number of rows, n.
        snapshots: k, as many as there are places, or more.
    """
    read = torch.zeros(snapshots, rows, dtype=torch.bool, device=places[0].device)
    for of_snapshot, place in zip(read[-len(places) :], places, strict=True):
        of_snapshot.index_fill_(0, place.flatten(), True)
    return read


def _distinct(ids: Tensor, table_rows: int) -> tuple[Tensor, Tensor]:
    """The distinct ids [n], ascending, and the place of each id among them, int64 both; by sorting, if need be."""
    if kernel.computes(ids, table_rows) and (found := kernel.distinct([(ids, table_rows)])) is not None:
        return found[0]
    # 32 bits take half the time to sort.
    touched, inverse = (ids.int() if table_rows < 2**31 else ids).unique(return_inverse=True)
    return touched.long(), inverse


def asked_rows(ids: list[Tensor], table_rows: int) -> tuple[Tensor, list[Tensor]]:
    """All ids among several tensors of ids, with their repetitions, int64 [n], and where in it each id stands.

    Unlike the distinct ids of :func:`touched_rows`, their number is known without a look at a GPU's memory, for which
    the program would have to wait. A small table is touched whole.

    Args:
        ids: for rows of mini-batches, int64 [B, …] each.
        table_rows: rows of the table.
    """
    sizes = [i.numel() for i in ids]
    if table_rows <= max(SMALL, sum(sizes) // 16):
        return torch.arange(table_rows, device=ids[0].device), ids
    places = torch.arange(sum(sizes), device=ids[0].device).split(sizes)
    return torch.cat([i.flatten() for i in ids]), [part.view_as(i) for part, i in zip(places, ids, strict=True)]


def chunks(begin: int, end: int, size: int, device: torch.device) -> Iterator[Tensor]:
    """The row numbers ``begin … end - 1``, at most ``size`` at a time, int64 on a device.

    Each chunk is made when it is asked for, so that the numbers of a large table are never in memory together.
    """
    for first in range(begin, end, size):
        yield torch.arange(first, min(first + size, end), device=device)


class RowsOf(torch.autograd.Function):
    """Distinct rows of tables, ascending, float [n, D] of each; tables get sparse gradients that need no sorting."""

    @staticmethod
    def forward(ctx: Any, rows: Sequence[Tensor], vectors: Sequence[Tensor], *tables: Tensor) -> tuple[Tensor, ...]:
        """The vectors of the rows, int64 [n], of each table."""
        ctx.set_materialize_grads(False)
        ctx.rows, ctx.shapes = rows, [table.shape for table in tables]
        return tuple(each.view_as(each) for each in vectors)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """The sparse gradient of each table; ``None`` for one whose vectors had no part in the result."""
        # Autograd forgets that a gradient is coalesced, unless somebody else holds it too.
        ctx.gradients = [
            None
            if gradient is None
            else torch.sparse_coo_tensor(rows[None], gradient, shape, is_coalesced=True, check_invariants=False)
            for rows, gradient, shape in zip(ctx.rows, gradients, ctx.shapes, strict=True)
        ]
        return None, None, *ctx.gradients
