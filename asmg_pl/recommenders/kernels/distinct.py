"""The distinct ones among ids in C++ on the CPU, see ``distinct.cpp``."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from asmg_pl.system.compiled import library_or_none

#: The most rows of a table for each id; a larger table has too many rows to go over its marks, 64 at a time.
MOST_ROWS_PER_ID = 256


def computes(ids: Tensor, table_rows: int) -> bool:
    """Whether the kernel finds the distinct ids of a table: on the CPU, where a compiler is."""
    known = ids.device.type == "cpu" and table_rows <= MOST_ROWS_PER_ID * ids.numel()
    return known and not torch.compiler.is_exporting() and not torch.compiler.is_compiling() and _native() is not None


def distinct(ids: Tensor, table_rows: int) -> tuple[Tensor, Tensor] | None:
    """The distinct ids and the place of each id among them, as :func:`torch.unique` gives them.

    Args:
        ids: whole numbers of any type and shape.
        table_rows: rows of the table.

    Returns:
        int64 [n] and int64 of the shape of ``ids``; ``None`` if an id is not below ``table_rows``.
    """
    native = _native()
    assert native is not None
    ids = ids.long().contiguous()
    words = -(-table_rows // 64)
    marks, before = ids.new_zeros(words), ids.new_empty(words)
    count = native.mark(ids.numel(), table_rows, ids.data_ptr(), marks.data_ptr(), before.data_ptr())
    if count < 0:
        return None
    rows, places = ids.new_empty(count), torch.empty_like(ids)
    native.distinct(table_rows, marks.data_ptr(), rows.data_ptr())
    native.places(ids.numel(), ids.data_ptr(), marks.data_ptr(), before.data_ptr(), places.data_ptr())
    return rows, places


@cache
def _native() -> ctypes.CDLL | None:
    """The kernel; ``None`` where it cannot be compiled."""
    found = library_or_none(Path(__file__).with_name("distinct.cpp"))
    if found is None:
        return None
    whole, place = ctypes.c_int64, ctypes.c_void_p
    found.mark.argtypes, found.mark.restype = [whole, whole, place, place, place], whole
    found.distinct.argtypes, found.distinct.restype = [whole, place, place], None
    found.places.argtypes, found.places.restype = [whole, place, place, place, place], None
    return found
