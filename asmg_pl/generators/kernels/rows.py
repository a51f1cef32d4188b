"""Layers that read whole rows, and the rows they generate, in one C++ kernel for the CPU, see ``row_window.cpp``."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from asmg_pl.system.compiled import library, share_out


class NativeRows:
    """Generates rows with layers of any number and width on the CPU, with the plain numbers up to rounding."""

    name = "C++"

    def __init__(self) -> None:
        """Compile the kernel, or take it from the cache folder.

        Raises:
            OSError: if it cannot be compiled.
        """
        self._native = library(Path(__file__).with_name("row_window.cpp"))
        for function, tensors in ((self._native.forward, 7), (self._native.backward, 8)):
            function.argtypes = [ctypes.c_int64] * 8 + [ctypes.c_void_p] * tensors
            function.restype = None

    def __call__(
        self,
        layers: Sequence[nn.Linear],
        window: Tensor,
        hidden: Tensor,
        beside: Tensor,
        asked: Tensor | None = None,
    ) -> Tensor:
        """Generate rows.

        Args:
            layers: from features to coefficients, with SiLU between them.
            window: values, oldest first, float [k, n, D].
            hidden: the two values before the window, or none, float [n, D, 2] or [n, D, 0].
            beside: features beside those of the values, float [k, n, C].
            asked: after which snapshots each row is read, bool [k, n]; by default after all.

        Returns:
            float [k, n, D], 0 where a row is not read.
        """
        weight = torch.cat([torch.cat([layer.bias[:, None], layer.weight], 1).flatten() for layer in layers])
        sizes = torch.tensor([layers[0].in_features, *(layer.out_features for layer in layers)])
        given = sizes, window.contiguous(), hidden.contiguous(), beside.contiguous(), asked
        made: Tensor = _Rows.apply(weight, given, self._native)  # type: ignore[no-untyped-call]
        return made


_Given = tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]


def _arguments(given: _Given, *others: Tensor) -> list[int | None]:
    sizes, window, hidden, beside, _ = given
    numbers = [*window.shape, hidden.shape[-1], beside.shape[-1], len(sizes) - 1]
    return [*numbers, *(None if each is None else each.data_ptr() for each in (*given, *others))]


class _Rows(torch.autograd.Function):
    """Generated rows [k, n, D]. Values, state and counts are constants without a gradient."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, given: _Given, native: ctypes.CDLL) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.given, ctx.native = given, native
        window = given[1]
        out = torch.empty(window.shape)
        arguments = _arguments(given, weight, out)
        share_out(lambda number, first, last: native.forward(first, last, *arguments), window.shape[1])
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        gradient = gradient.contiguous()
        arguments = _arguments(ctx.given, weight, gradient)
        # Each thread has sums of its own, which are added up in a fixed order.
        sums = torch.zeros(torch.get_num_threads(), len(weight), dtype=torch.float64)

        def part(number: int, first: int, last: int) -> None:
            ctx.native.backward(first, last, *arguments, sums[number].data_ptr())

        share_out(part, ctx.given[1].shape[1])
        return sums.sum(0).float(), None, None
