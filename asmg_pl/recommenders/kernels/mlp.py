"""Linear layers with ReLU between them in one C++ kernel, see ``mlp.cpp``.

plain    an operation for each product, sum and ReLU, and a node of autograd for each
C++      one call forward, one backward: what a small mini-batch takes is the calls, not the arithmetic
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from asmg_pl.system.compiled import library_or_none

#: The most products of numbers in a forward pass. Beyond them a call costs little beside the arithmetic.
MOST_PRODUCTS = 2**19


def computes(tensors: Sequence[Tensor]) -> bool:
    """Whether the kernel can run: on the CPU with a compiler, in float32, on a mini-batch that is not too large.

    Exported and compiled models, autocast, forward-mode derivatives and transforms of functions have plain operations.

    Args:
        tensors: the input [B, N], then the weight [out, in] and the bias [out] of each layer.
    """
    if torch.compiler.is_exporting() or torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu"):
        return False
    if tensors[0].ndim != 2 or not all(each.dtype is torch.float32 and each.is_cpu for each in tensors):
        return False
    if tensors[0].shape[0] * sum(weight.numel() for weight in tensors[1::2]) > MOST_PRODUCTS or _native() is None:
        return False
    try:
        return all(each.data_ptr() is not None and unpack_dual(each).tangent is None for each in tensors)
    except RuntimeError:  # a transform of a function gives tensors that have no memory of their own
        return False


def relu_mlp(tensors: Sequence[Tensor]) -> Tensor:
    """The output of the last layer, float32 [B, out], of tensors for which :func:`computes` is true.

    Examples:
        >>> relu_mlp([torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]), torch.tensor([5.0])])
        tensor([[16.]])
    """
    made: Tensor = _ReluMLP.apply(*tensors)  # type: ignore[no-untyped-call]
    return made


class _ReluMLP(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        native, (given, *parameters) = _native(), [each.contiguous() for each in tensors]
        assert native is not None
        rows, *widths = *given.shape, *(bias.shape[0] for bias in parameters[1::2])
        sizes = rows, len(widths) - 1, (ctypes.c_int64 * len(widths))(*widths)
        kept, out, places = torch.empty(native.keeps(*sizes)), torch.empty(rows, widths[-1]), _pointers(parameters)
        native.forward(*sizes, places, given.data_ptr(), kept.data_ptr(), out.data_ptr())
        ctx.save_for_backward(*tensors)
        ctx.known = sizes, places, kept, parameters
        return out

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        tensors, needed = ctx.saved_tensors, ctx.needs_input_grad
        if torch.is_grad_enabled():  # the gradient is to be differentiated again
            wanted = [each for each, need in zip(tensors, needed, strict=True) if need]
            found = iter(torch.autograd.grad(plain(tensors), wanted, slope, create_graph=True))
            return tuple(next(found) if need else None for need in needed)
        native, slope, (sizes, places, kept, _) = _native(), slope.contiguous(), ctx.known
        assert native is not None
        made = [torch.empty(*each.shape) if need else None for each, need in zip(tensors, needed, strict=True)]
        native.backward(*sizes, places, kept.data_ptr(), slope.data_ptr(), _pointers(made))
        return tuple(made)


def plain(tensors: Sequence[Tensor]) -> Tensor:
    """The same as :func:`relu_mlp` in plain operations."""
    found, *parameters = tensors
    for place, (weight, bias) in enumerate(zip(parameters[::2], parameters[1::2], strict=True)):
        found = F.linear(found.relu() if place else found, weight, bias)
    return found


def _pointers(tensors: Sequence[Tensor | None]) -> Any:
    return (ctypes.c_void_p * len(tensors))(*(None if each is None else each.data_ptr() for each in tensors))


@cache
def _native() -> ctypes.CDLL | None:
    """The kernel; ``None`` where it cannot be compiled."""
    found = library_or_none(Path(__file__).with_name("mlp.cpp"))
    if found is not None:
        whole, place = ctypes.c_int64, ctypes.c_void_p
        found.keeps.argtypes, found.keeps.restype = [whole, whole, place], whole
        found.forward.argtypes, found.forward.restype = [whole, whole, *[place] * 5], None
        found.backward.argtypes, found.backward.restype = [whole, whole, *[place] * 5], None
    return found
