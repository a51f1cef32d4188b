"""The dot products of all pairs of a row's vectors in one C++ kernel for the CPU, see ``pairs.cpp``."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asmg_pl.system.compiled import library_or_none


def pairwise_products(vectors: Tensor) -> Tensor:
    """The sum over all pairs of fields of their dot products, from float [B, F, D] to [B].

    It is half of the squared sum minus the sum of squares, which takes F·D steps rather than F²·D.

    Examples:
        >>> pairwise_products(torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]]))  # 11 + 17 + 39
        tensor([67.])
    """
    if torch.compiler.is_exporting():  # in operations that every runtime has
        return _products(vectors, vectors.sum(1))
    made: Tensor = _PairwiseProducts.apply(vectors)  # type: ignore[no-untyped-call]
    return made


def computes(vectors: Tensor) -> bool:
    """Whether the kernel can run: on the CPU with a compiler, in float32."""
    known = vectors.dtype == torch.float32 and vectors.device.type == "cpu"
    return known and not torch.compiler.is_compiling() and _native() is not None


def _products(vectors: Tensor, total: Tensor) -> Tensor:
    return (total.square() - vectors.square().sum(1)).sum(-1) / 2


class _PairwiseProducts(torch.autograd.Function):
    """A backward pass that goes over the vectors once or twice, where that of plain operations does five times."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor) -> Tensor:
        vectors = vectors.contiguous()
        if (native := _native()) is not None and computes(vectors):
            (rows, _, width), found = vectors.shape, vectors.new_empty(vectors.shape[0])
            total = vectors.new_empty(rows, width)
            native.products(*vectors.shape, *(each.data_ptr() for each in (vectors, total, found)))
        else:
            total = vectors.sum(1)
            found = _products(vectors, total)
        ctx.save_for_backward(vectors, total)
        return found

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        """A vector's gradient is the sum of the others, times the slope, float [B, F, D]."""
        vectors, total = ctx.saved_tensors
        if (native := _native()) is not None and computes(vectors) and slope.dtype == vectors.dtype:
            slope, slopes = slope.contiguous(), torch.empty_like(vectors)
            native.slopes(*vectors.shape, *(each.data_ptr() for each in (vectors, total, slope, slopes)))
            return slopes
        slope = slope[:, None, None]
        found: Tensor = (vectors * -slope).add_(total[:, None] * slope)
        return found


@cache
def _native() -> ctypes.CDLL | None:
    """The kernel; ``None`` where it cannot be compiled."""
    found = library_or_none(Path(__file__).with_name("pairs.cpp"))
    if found is not None:
        whole, place = ctypes.c_int64, ctypes.c_void_p
        found.products.argtypes, found.products.restype = [whole] * 3 + [place] * 3, None
        found.slopes.argtypes, found.slopes.restype = [whole] * 3 + [place] * 4, None
    return found
