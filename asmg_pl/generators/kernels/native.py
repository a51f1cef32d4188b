"""GRU cells and read-out of a table in one C++ kernel for the CPU, see ``gru_window.cpp``."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asmg_pl.generators.kernels.base import Kernel
from asmg_pl.generators.stored import StoredRows
from asmg_pl.system.compiled import library, share_out

#: Vectors of 16 coordinates that are computed together: of many rows, and of a few.
GROUPS = (4, 1)

#: The rows from which on there are many, whatever their width.
MANY = 64


class NativeWindow(Kernel):
    """GRU cells on the CPU, for tables of any size and windows of any length."""

    name = "C++"
    in_place = True

    def __init__(self, hidden_size: int) -> None:
        """Compile the kernels, or take them from the cache folder.

        Raises:
            OSError: if they cannot be compiled.
        """
        self._many, self._few = (_library(hidden_size, group) for group in GROUPS)

    def _for(self, rows: StoredRows) -> ctypes.CDLL:
        return self._many if len(rows) >= MANY else self._few

    def generate(self, cells: Any, output: Any, rows: StoredRows) -> Tensor:
        """See :meth:`Kernel.generate`."""
        given = _weights(cells), _read(output), rows, hasattr(output, "scale"), self._for(rows)
        made: Tensor = _Window.apply(*given)  # type: ignore[no-untyped-call]
        return made

    def newest(self, cells: Any, output: Any, rows: StoredRows, to: Tensor) -> None:
        """See :meth:`Kernel.newest`."""
        options = len(rows.order) - 1, hasattr(output, "scale")
        _forward(self._for(rows), rows, _weights(cells), _read(output), to, *options)

    def carry(self, cells: Any, rows: StoredRows) -> bool:
        """See :meth:`Kernel.carry`."""
        _forward(self._for(rows), rows, _weights(cells))
        return True


def _library(hidden_size: int, group: int) -> ctypes.CDLL:
    found = library(Path(__file__).with_name("gru_window.cpp"), STATE=hidden_size, VECTORS=group)
    found.forward.argtypes = [ctypes.c_int64] * 10 + [ctypes.c_void_p] * 8
    found.backward.argtypes = [ctypes.c_int64] * 8 + [ctypes.c_void_p] * 10
    found.forward.restype = found.backward.restype = None
    return found


def _weights(cells: Any) -> Tensor:
    """Weights u and W of all gates, float [D, 3H, 1+H], contiguous."""
    return torch.cat([cells.input_weight, cells.hidden_weight], 1).mT.contiguous()


def _read(output: Any) -> Tensor:
    """Weights w, b and s of the output, float [D, H + 2], contiguous; s is 0 where the output is not residual."""
    scale = getattr(output, "scale", torch.zeros_like(output.bias))
    return torch.cat([output.weight, output.bias[:, None], scale[:, None]], 1)


def _sizes(rows: StoredRows) -> list[int]:
    """How many rows, snapshots, rows and columns of the table; a range's first row; whether the state is bfloat16."""
    start = rows.rows.start if isinstance(rows.rows, range) else 0
    return [len(rows), len(rows.order), *rows.snapshots.shape[1:], start, int(rows.hidden.dtype == torch.bfloat16)]


def _places(rows: StoredRows) -> list[int | None]:
    """Where table, order of the slots, numbers of the rows, state, and what is asked for, are in memory."""
    numbers = None if isinstance(rows.rows, range) else rows.rows.data_ptr()
    state = rows.hidden.data_ptr() if len(rows.hidden) else None
    asked = None if rows.asked is None else rows.asked.data_ptr()
    return [rows.snapshots.data_ptr(), rows.order.data_ptr(), numbers, state, asked]


def _forward(
    native: ctypes.CDLL,
    rows: StoredRows,
    weight: Tensor,
    read: Tensor | None = None,
    out: Tensor | None = None,
    written_from: int = 0,
    residual: bool = False,
) -> None:
    """Write the rows after the steps from some step on or, without a tensor for them, the state after the last step."""
    sizes, places = _sizes(rows), _places(rows)
    others = [weight.data_ptr(), *(None if each is None else each.data_ptr() for each in (read, out))]
    share_out(
        lambda number, first, last: native.forward(first, last, written_from, residual, *sizes, *places, *others),
        len(rows),
    )


class _Window(torch.autograd.Function):
    """Computes the rows after each step, float [k, n, D]. Values and initial state are constants without a gradient."""

    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, read: Tensor, rows: StoredRows, residual: bool, native: ctypes.CDLL
    ) -> Tensor:
        ctx.save_for_backward(weight, read)
        ctx.rows, ctx.native = rows, native
        out = torch.empty(len(rows.order), len(rows), rows.snapshots.shape[2])
        _forward(native, rows, weight, read, out, 0, residual)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weight, read = ctx.saved_tensors
        gradient = gradient.contiguous()
        sizes, places = _sizes(ctx.rows), _places(ctx.rows)
        given = [each.data_ptr() for each in (weight, read, gradient)]
        # Each thread has sums of its own, which are added up in a fixed order.
        sums = [torch.zeros(torch.get_num_threads(), *each.shape, dtype=torch.float64) for each in (weight, read)]

        def part(number: int, first: int, last: int) -> None:
            own = [each[number].data_ptr() for each in sums]
            ctx.native.backward(first, last, *sizes, *places, *given, *own)

        share_out(part, len(ctx.rows))
        by_weight, by_read = (each.sum(0).float() for each in sums)
        return by_weight, by_read, None, None, None
