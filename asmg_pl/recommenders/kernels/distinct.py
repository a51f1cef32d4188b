"""The distinct ones among ids in C++ on the CPU, see ``distinct.cpp``."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from asmg_pl.system.compiled import library_or_none

#: The ids that the kernel can sort are smaller.
MOST_ROWS = 2**32

#: The numbers that ``distinct.cpp`` is told of a table, the last of which is its answer.
_TOLD = 5


def computes(ids: Tensor, table_rows: int) -> bool:
    """Whether the kernel finds the distinct ids of a table: on the CPU, where a compiler is."""
    known = ids.device.type == "cpu" and table_rows < MOST_ROWS
    return known and not torch.compiler.is_exporting() and not torch.compiler.is_compiling() and _native() is not None


def distinct(asked: Sequence[tuple[Tensor, int]]) -> list[tuple[Tensor, Tensor]] | None:
    """The distinct ids of each of several tables and the place of each id among them, as :func:`torch.unique` does.

    Args:
        asked: for each table its ids, whole numbers of any type and shape, and the number of its rows.

    Returns:
        For each table int64 [n] and int64 of the shape of its ids; ``None`` if a table lacks one of its ids.
    """
    native = _native()
    assert native is not None
    told, given, counts = array("q"), [], []
    for ids, table_rows in asked:
        whole = ids.long()
        if whole.ndim != 1:
            whole = whole.contiguous()
        count, apart = whole.numel(), whole.stride(0) if whole.ndim == 1 else 1
        given.append(whole)
        counts.append(count)
        told.extend((count, apart, table_rows, whole.data_ptr(), 0))
    rows, places = (torch.empty(sum(counts), dtype=torch.int64) for _ in range(2))
    if native.distinct(len(counts), told.buffer_info()[0], rows.data_ptr(), places.data_ptr()) >= 0:
        return None
    found = told[_TOLD - 1 :: _TOLD].tolist()
    parts = zip(given, rows[: sum(found)].split_with_sizes(found), places.split_with_sizes(counts), strict=True)
    return [(row, place if ids.ndim == 1 else place.view(ids.shape)) for ids, row, place in parts]


@cache
def _native() -> ctypes.CDLL | None:
    """The kernel; ``None`` where it cannot be compiled."""
    found = library_or_none(Path(__file__).with_name("distinct.cpp"))
    if found is not None:
        place = ctypes.c_void_p
        found.distinct.argtypes, found.distinct.restype = [ctypes.c_int64, place, place, place], ctypes.c_int64
    return found
