"""One vector of each of many tables for every row of a mini-batch, in one C++ kernel, see ``gathered.cpp``.

plain    an embedding for each table ─▶ side by side      backward: an operation for each table
C++      ids of all tables ───────────▶ side by side      backward: one for all
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asmg_pl.recommenders.kernels.side_by_side import side_by_side
from asmg_pl.recommenders.lookup import Lookup
from asmg_pl.system.compiled import library_or_none


class _Ids(ctypes.Structure):
    """What ``gathered.cpp`` is told of a mini-batch."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("rows", "fields", "width", "wide")),
        *((name, ctypes.c_void_p) for name in ("places", "apart", "lengths")),
    ]


def gathered(lookups: Sequence[Lookup]) -> Tensor:
    """A vector for each id, side by side, float [B, F, D].

    Args:
        lookups: of F tables, at least one, of one width D, with ids [B] each.

    Raises:
        IndexError: if an id is not in its table.

    Examples:
        >>> one, other = torch.eye(2), torch.tensor([[5.0, 6.0]])
        >>> gathered([Lookup(one, torch.tensor([1, 0])), Lookup(other, torch.tensor([0, 0]))]).tolist()
        [[[0.0, 1.0], [5.0, 6.0]], [[1.0, 0.0], [5.0, 6.0]]]
    """
    if len(lookups) > 1 and computes(lookups):
        found = side_by_side([Gathered(lookups)], lookups[0].index.shape[0])
        return found.view(len(found), len(lookups), lookups[0].weight.shape[1])
    return torch.stack([lookup.vectors() for lookup in lookups], dim=1)


def computes(lookups: Sequence[Lookup]) -> bool:
    """Whether the kernel can run: on the CPU with a compiler, in float32; an exported model has plain operations."""
    if torch.compiler.is_exporting() or torch.compiler.is_compiling():
        return False
    width = lookups[0].weight.shape[1]
    weights = (each.weight for each in lookups)
    alike = all(w.dtype == torch.float32 and w.shape[1] == width and w.device.type == "cpu" for w in weights)
    return alike and _native() is not None


class Gathered:
    """The vectors of F tables, side by side; a part of a row's columns."""

    def __init__(self, lookups: Sequence[Lookup]) -> None:
        """Take lookups for which :func:`computes` is true, with ids [B] each."""
        self.tensors: Sequence[Tensor] = [lookup.weight for lookup in lookups]
        self._ids, width = [lookup.index.long() for lookup in lookups], self.tensors[0].shape[1]
        self._lengths = [weight.shape[0] for weight in self.tensors]
        whole = ctypes.c_int64 * len(lookups)
        self._kept = (
            *(_pointers(self._ids), whole(*(index.stride(0) for index in self._ids))),
            whole(*self._lengths),
        )
        self.columns = len(lookups) * width
        self._told = _Ids(
            *(self._ids[0].shape[0], len(lookups), width, self.columns),
            *(ctypes.addressof(each) for each in self._kept),
        )

    def write(self, out: Tensor) -> None:
        """See :meth:`~asmg_pl.recommenders.kernels.side_by_side.Part.write`."""
        weights, native = [weight.contiguous() for weight in self.tensors], _native()
        assert native is not None
        self._told.wide = out.stride(0)
        wrong = native.gather(ctypes.byref(self._told), _pointers(weights), out.data_ptr())
        if wrong >= 0:
            raise IndexError(f"row {wrong} of the mini-batch has an id that is not in its table")

    def gradients(self, slope: Tensor, wanted: Sequence[bool]) -> list[Tensor | None]:
        """See :meth:`~asmg_pl.recommenders.kernels.side_by_side.Part.gradients`."""
        lengths = [length if want else 0 for length, want in zip(self._lengths, wanted, strict=True)]
        parts = slope.new_zeros(sum(lengths), self._told.width).split(lengths)
        found = [part if want else None for part, want in zip(parts, wanted, strict=True)]
        native = _native()
        assert native is not None
        self._told.wide = slope.stride(0)
        native.add(ctypes.byref(self._told), slope.data_ptr(), _pointers(found))
        return found


def _pointers(tensors: Sequence[Tensor | None]) -> Any:
    return (ctypes.c_void_p * len(tensors))(*(None if each is None else each.data_ptr() for each in tensors))


@cache
def _native() -> ctypes.CDLL | None:
    """The kernel; ``None`` where it cannot be compiled."""
    found = library_or_none(Path(__file__).with_name("gathered.cpp"))
    if found is not None:
        place = ctypes.c_void_p
        found.gather.argtypes, found.gather.restype = [place, place, place], ctypes.c_int64
        found.add.argtypes, found.add.restype = [place, place, place], None
    return found
