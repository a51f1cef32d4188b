"""GRU cells and read-out of a table in one C++ kernel for the CPU, see ``gru_window.cpp``."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asmg_pl.generators.kernels.base import Kernel
from asmg_pl.system.compiled import library, share_out

#: Rows of a block. A block is computed whole, so that a few rows take the smaller one.
BLOCKS = (64, 8)


class NativeWindow(Kernel):
    """GRU cells on the CPU, for tables of any size and windows of any length."""

    name = "C++"

    def __init__(self, hidden_size: int) -> None:
        """Compile the kernels, or take them from the cache folder.

        Raises:
            OSError: if they cannot be compiled.
        """
        self._many, self._few = (_library(hidden_size, block) for block in BLOCKS)

    def _for(self, rows: int) -> ctypes.CDLL:
        return self._many if rows >= BLOCKS[0] else self._few

    def __call__(self, cells: Any, output: Any, window: Tensor, hidden: Tensor) -> Tensor:
        """See :meth:`Kernel.__call__`."""
        given = _weights(cells), output.weight, window, hidden
        change = _Window.apply(*given, self._for(len(hidden)))  # type: ignore[no-untyped-call]
        return output.around(window.transpose(1, 2), change.transpose(1, 2)).transpose(1, 2)

    def advance(self, cells: Any, window: Tensor, hidden: Tensor) -> Tensor:
        """See :meth:`Kernel.advance`."""
        states = torch.empty_like(hidden, memory_format=torch.contiguous_format)
        _forward(self._for(len(hidden)), window, hidden, _weights(cells), states=states)
        return states


def _library(hidden_size: int, block: int) -> ctypes.CDLL:
    found = library(Path(__file__).with_name("gru_window.cpp"), STATE=hidden_size, ROWS=block)
    found.forward.argtypes = [ctypes.c_int64] * 5 + [ctypes.c_void_p] * 6
    found.backward.argtypes = [ctypes.c_int64] * 5 + [ctypes.c_void_p] * 7
    found.forward.restype = found.backward.restype = None
    return found


def _weights(cells: Any) -> Tensor:
    """Weights u and W of all gates, float [D, 3H, 1+H]."""
    return torch.cat([cells.input_weight, cells.hidden_weight], 1).mT


def _forward(native: ctypes.CDLL, *given: Tensor, out: Tensor | None = None, states: Tensor | None = None) -> None:
    """Run the kernel on window, state, weights and, for ``out``, the weights of the read-out."""
    given = tuple(each.contiguous() for each in given)
    steps, rows, width = given[0].shape
    read = given[3].data_ptr() if len(given) > 3 else None
    places = [
        *(each.data_ptr() for each in given[:3]),
        read,
        *(None if r is None else r.data_ptr() for r in (out, states)),
    ]
    share_out(lambda number, first, last: native.forward(first, last, steps, rows, width, *places), rows)


class _Window(torch.autograd.Function):
    """Computes w · h after each step, float [k, n, D]. Values and initial state are constants without a gradient."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, read: Tensor, window: Tensor, hidden: Tensor, native: ctypes.CDLL) -> Tensor:
        given = [each.contiguous() for each in (window, hidden, weight, read)]
        ctx.save_for_backward(*given)
        ctx.native = native
        out = torch.empty(window.shape)
        _forward(native, *given, out=out)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        given = ctx.saved_tensors
        window, _, weight, read = given
        steps, rows, width = window.shape
        gradient = gradient.contiguous()
        places = [each.data_ptr() for each in (*given, gradient)]
        # Each thread has sums of its own, which are added up in a fixed order.
        sums = [torch.zeros(torch.get_num_threads(), *each.shape, dtype=torch.float64) for each in (weight, read)]

        def part(number: int, first: int, last: int) -> None:
            own = [each[number].data_ptr() for each in sums]
            ctx.native.backward(first, last, steps, rows, width, *places, *own)

        share_out(part, rows)
        by_weight, by_read = (each.sum(0).float() for each in sums)
        return by_weight, by_read, None, None, None
