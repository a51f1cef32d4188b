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

from asmg_pl.recommenders.lookup import Lookup
from asmg_pl.system.compiled import library_or_none


class _Ids(ctypes.Structure):
    """What ``gathered.cpp`` is told of a mini-batch."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("rows", "fields", "width")),
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
    if len(lookups) > 1 and _computes(lookups):
        indices = [lookup.index.long() for lookup in lookups]
        found: Tensor = _Gathered.apply(indices, *(lookup.weight for lookup in lookups))  # type: ignore[no-untyped-call]
        return found
    return torch.stack([lookup.vectors() for lookup in lookups], dim=1)


def _computes(lookups: Sequence[Lookup]) -> bool:
    """Whether the kernel can run: on the CPU with a compiler, in float32; an exported model has plain operations."""
    if torch.compiler.is_exporting() or torch.compiler.is_compiling():
        return False
    width = lookups[0].weight.shape[1]
    alike = all(
        each.weight.dtype == torch.float32 and each.weight.shape[1] == width and each.weight.device.type == "cpu"
        for each in lookups
    )
    return alike and _native() is not None


class _Gathered(torch.autograd.Function):
    """The vectors [B, F, D] of tables [N, D] each."""

    @staticmethod
    def forward(ctx: Any, indices: list[Tensor], *weights: Tensor) -> Tensor:
        weights = tuple(weight.contiguous() for weight in weights)
        count, rows, width = len(weights), indices[0].shape[0], weights[0].shape[1]
        lengths = [weight.shape[0] for weight in weights]
        whole = ctypes.c_int64 * count
        kept = _pointers(indices), whole(*(index.stride(0) for index in indices)), whole(*lengths)
        told = _Ids(rows, count, width, *(ctypes.addressof(each) for each in kept))
        ctx.told, ctx.kept, ctx.lengths = told, (kept, indices), lengths
        out, native = weights[0].new_empty(rows, count, width), _native()
        assert native is not None
        wrong = native.gather(ctypes.byref(told), _pointers(weights), out.data_ptr())
        if wrong >= 0:
            raise IndexError(f"row {wrong} of the mini-batch has an id that is not in its table")
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        slope, wanted = slope.contiguous(), ctx.needs_input_grad[1:]
        lengths = [length if want else 0 for length, want in zip(ctx.lengths, wanted, strict=True)]
        parts = slope.new_zeros(sum(lengths), slope.shape[2]).split(lengths)
        found = [part if want else None for part, want in zip(parts, wanted, strict=True)]
        native = _native()
        assert native is not None
        native.add(ctypes.byref(ctx.told), slope.data_ptr(), _pointers(found))
        return None, *found


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
