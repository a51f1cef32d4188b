"""Some rows of several columns at once, in C++ on the CPU, see ``columns.cpp``."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from asmg_pl.system.compiled import library_or_none
from asmg_pl.system.lazy import later

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = later("torch")


def take(columns: Sequence[Tensor], rows: Tensor) -> Tensor:
    """The values of some rows of whole numbers, side by side.

    One column's values stand side by side in memory, as they are read.

    Args:
        columns: at least one, of one length and one type.
        rows: int64 [B].

    Returns:
        int64 [B, columns].

    Raises:
        IndexError: if a row is not in the columns.

    Examples:
        >>> take([torch.tensor([1, 2, 3]), torch.tensor([4, 5, 6])], torch.tensor([2, 0])).tolist()
        [[3, 6], [1, 4]]
    """
    native = _native() if all(_is_plain(each) for each in columns) and rows.device.type == "cpu" else None
    if native is None:
        return torch.stack([column.index_select(0, rows) for column in columns]).long().T
    rows, length = rows.contiguous(), columns[0].shape[0]
    found = torch.empty(len(columns), rows.shape[0], dtype=torch.int64)
    places = (ctypes.c_void_p * len(columns))(*(column.data_ptr() for column in columns))
    if native.take(rows.shape[0], len(columns), length, rows.data_ptr(), places, found.data_ptr()) >= 0:
        raise IndexError(f"a row is not among the {length} rows of the columns")
    return found.T


def _is_plain(column: Tensor) -> bool:
    return column.dtype == torch.int32 and column.device.type == "cpu" and column.is_contiguous()


@cache
def _native() -> ctypes.CDLL | None:
    """The kernel; ``None`` where it cannot be compiled."""
    found = library_or_none(Path(__file__).with_name("columns.cpp"))
    if found is not None:
        whole, place = ctypes.c_int64, ctypes.c_void_p
        found.take.argtypes, found.take.restype = [whole, whole, whole, place, place, place], whole
    return found
