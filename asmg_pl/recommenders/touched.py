"""The rows of tables that mini-batches touch, and ranges of rows in chunks."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


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
    asked = torch.cat([i.flatten() for i in ids])
    if table_rows < 2**31:
        asked = asked.int()  # which takes half the time to sort
    touched, inverse = asked.unique(return_inverse=True)
    touched = touched.long()
    parts = inverse.split([i.numel() for i in ids])
    return touched, [part.view_as(i) for part, i in zip(parts, ids, strict=True)]


def chunks(begin: int, end: int, size: int, device: torch.device) -> Iterator[Tensor]:
    """The row numbers ``begin … end - 1``, at most ``size`` at a time, int64 on a device.

    Each chunk is made when it is asked for, so that the numbers of a large table are never in memory together.
    """
    for first in range(begin, end, size):
        yield torch.arange(first, min(first + size, end), device=device)
