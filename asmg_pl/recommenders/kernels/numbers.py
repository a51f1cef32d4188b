"""Scaled numbers, and their fields, in C++ kernels for the CPU, see ``numbers.cpp``.

plain    raw ─▶ is missing │ minus mean ─▶ by std ─▶ filled ─▶ stacked ─▶ times vectors ─▶ summed
C++      raw ───────────────────────────────────────────────▶ scaled ──────────────────▶ fields
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asmg_pl.system.compiled import library_or_none


def computes(*tensors: Tensor) -> bool:
    """Whether the kernels can run: on the CPU with a compiler, in float32; an exported model has plain operations."""
    if torch.compiler.is_exporting() or torch.compiler.is_compiling():
        return False
    return all(each.dtype == torch.float32 and each.device.type == "cpu" for each in tensors) and _native() is not None


def scaled(raw: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Numbers less their mean, divided by their standard deviation, and whether they are missing.

    Args:
        raw: float32 [B, M], NaN for a missing number; it gets no gradient.
        mean: float32 [M].
        std: float32 [M].

    Returns:
        float32 [B, M, 2]; a missing number is 0, and 1 stands beside it.
    """
    native, found = _native(), torch.empty(*raw.shape, 2)
    assert native is not None
    kept = [raw.contiguous(), mean.contiguous(), std.contiguous(), found]
    native.scale(*raw.shape, *(each.data_ptr() for each in kept))
    return found


def fields(scaled: Tensor, vectors: Tensor) -> Tensor:
    """A vector for each number, float32 [B, M, D].

    Args:
        scaled: from :func:`scaled`, or what was made of its values, float32 [B, M, 2]; it gets no gradient.
        vectors: of each number, that of its value and that of its absence, float32 [2M, D].
    """
    made: Tensor = _Fields.apply(scaled, vectors)  # type: ignore[no-untyped-call]
    return made


class _Fields(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scaled: Tensor, vectors: Tensor) -> Tensor:
        ctx.scaled, ctx.shape, vectors = scaled.contiguous(), vectors.shape, vectors.contiguous()
        rows, numbers, width = *scaled.shape[:2], vectors.shape[1]
        made, native = torch.empty(rows, numbers, width), _native()
        assert native is not None
        told = rows, numbers, width, numbers * width
        native.fields(*told, ctx.scaled.data_ptr(), vectors.data_ptr(), made.data_ptr())
        return made

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> tuple[None, Tensor]:
        rows, numbers, width = slopes.shape
        if slopes.stride()[1:] != (width, 1):
            slopes = slopes.contiguous()
        found, native = slopes.new_zeros(ctx.shape), _native()
        assert native is not None
        told = rows, numbers, width, slopes.stride(0)
        native.gradients(*told, ctx.scaled.data_ptr(), slopes.data_ptr(), found.data_ptr())
        return None, found


@cache
def _native() -> ctypes.CDLL | None:
    """The kernels; ``None`` where they cannot be compiled."""
    found = library_or_none(Path(__file__).with_name("numbers.cpp"))
    if found is not None:
        whole, place = ctypes.c_int64, ctypes.c_void_p
        found.scale.argtypes, found.scale.restype = [whole, whole, place, place, place, place], None
        for function in (found.fields, found.gradients):
            function.argtypes, function.restype = [whole] * 4 + [place] * 3, None
    return found
