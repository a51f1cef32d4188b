"""The distinct ones among ids in C++ on the CPU, see ``distinct.cpp``."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from asmg_pl.system.compiled import library_or_none

#: The most rows of a table for each id; a larger table has too many rows to go over its marks, 64 at a time.
MOST_ROWS_PER_ID = 256


class _Asked(ctypes.Structure):
    """What ``distinct.cpp`` is told of the ids of a table."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("count", "table_rows")),
        *((name, ctypes.c_void_p) for name in ("ids", "rows", "places")),
        ("found", ctypes.c_int64),
    ]


def computes(ids: Tensor, table_rows: int) -> bool:
    """Whether the kernel finds the distinct ids of a table: on the CPU, where a compiler is."""
    known = ids.device.type == "cpu" and table_rows <= MOST_ROWS_PER_ID * ids.numel()
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
    given = [ids.long().contiguous() for ids, _ in asked]
    counts = [ids.numel() for ids in given]
    rows, places = torch.empty(2, sum(counts), dtype=torch.int64)
    parts = [*zip(given, rows.split(counts), places.split(counts), strict=True)]
    told = (_Asked * len(asked))(
        *(
            _Asked(count, table_rows, *(each.data_ptr() for each in part), 0)
            for count, (_, table_rows), part in zip(counts, asked, parts, strict=True)
        )
    )
    if native.distinct(len(asked), told) >= 0:
        return None
    return [(rows[: each.found], places.view(ids.shape)) for each, (ids, rows, places) in zip(told, parts, strict=True)]


@cache
def _native() -> ctypes.CDLL | None:
    """The kernel; ``None`` where it cannot be compiled."""
    found = library_or_none(Path(__file__).with_name("distinct.cpp"))
    if found is not None:
        found.distinct.argtypes, found.distinct.restype = [ctypes.c_int64, ctypes.c_void_p], ctypes.c_int64
    return found
