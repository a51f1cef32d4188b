"""Layers that read whole rows, and the rows they generate, in one C++ kernel for the CPU, see ``row_window.cpp``."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from asmg_pl.generators.stored import StoredRows
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
        for function, tensors in ((self._native.forward, 9), (self._native.backward, 10)):
            function.argtypes = [ctypes.c_int64] * 10 + [ctypes.c_void_p] * tensors
            function.restype = None

    def __call__(self, layers: Sequence[nn.Linear], rows: StoredRows) -> Tensor:
        """Generate rows.

        Args:
            layers: from features to coefficients, with SiLU between them.
            rows: values; their state in float32, of which there are the two values before the window, or none; and
                their counts, if the layers see them.

        Returns:
            float [k, n, D], 0 where a row is not asked for.
        """
        weight = torch.cat([torch.cat([layer.bias[:, None], layer.weight], 1).flatten() for layer in layers])
        sizes = torch.tensor([layers[0].in_features, *(layer.out_features for layer in layers)])
        made: Tensor = _Rows.apply(weight, sizes, rows, self._native)  # type: ignore[no-untyped-call]
        return made


def _arguments(sizes: Tensor, rows: StoredRows, *others: Tensor) -> list[int | None]:
    in_table = None if isinstance(rows.rows, range) else rows.rows
    start = rows.rows.start if isinstance(rows.rows, range) else 0
    counted = 0 if rows.counts is None else rows.counts.shape[2]
    kept = rows.hidden if len(rows.hidden) else None
    state = 0 if kept is None else kept.shape[2]
    numbers = [len(rows.order), len(rows), *rows.snapshots.shape[1:], state, counted, start, len(sizes) - 1]
    tensors = sizes, rows.order, in_table, rows.snapshots, kept, rows.counts, rows.asked, *others
    return [*numbers, *(None if each is None else each.data_ptr() for each in tensors)]


class _Rows(torch.autograd.Function):
    """Generated rows [k, n, D]. Values, state and counts are constants without a gradient."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, sizes: Tensor, rows: StoredRows, native: ctypes.CDLL) -> Tensor:
        ctx.save_for_backward(weight, sizes)
        ctx.rows, ctx.native = rows, native
        out = torch.empty(len(rows.order), len(rows), rows.snapshots.shape[2])
        arguments = _arguments(sizes, rows, weight, out)
        share_out(lambda number, first, last: native.forward(first, last, *arguments), len(rows))
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weight, sizes = ctx.saved_tensors
        gradient = gradient.contiguous()
        arguments = _arguments(sizes, ctx.rows, weight, gradient)
        # Each thread has sums of its own, which are added up in a fixed order.
        sums = torch.zeros(torch.get_num_threads(), len(weight), dtype=torch.float64)

        def part(number: int, first: int, last: int) -> None:
            ctx.native.backward(first, last, *arguments, sums[number].data_ptr())

        share_out(part, len(ctx.rows))
        return sums.sum(0).float(), None, None, None
