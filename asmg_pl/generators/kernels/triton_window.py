"""GRU cells and read-out of a table on a GPU, by the Triton kernels of ``gru_triton.py``."""

from __future__ import annotations

import importlib.util
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from asmg_pl.generators.kernels.base import Kernel
from asmg_pl.generators.stored import StoredRows

#: Coordinates of a tile: one for each thread of a program.
TILE = 128

#: Programs of the backward kernel for each multiprocessor of the GPU.
RESIDENT = 2


class TritonWindow(Kernel):
    """GRU cells on a GPU. The first call compiles a kernel in some seconds; Triton keeps it in its cache folder."""

    name = "Triton"
    in_place = True

    def __init__(self) -> None:
        """Find Triton, which comes with torch's builds for CUDA.

        Raises:
            OSError: if it is missing.
        """
        if importlib.util.find_spec("triton") is None:
            raise OSError("Triton is missing: pip install triton")

    def generate(self, cells: Any, output: Any, rows: StoredRows) -> Tensor:
        """See :meth:`Kernel.generate`."""
        weights = cells.input_weight, cells.hidden_weight, output.weight, output.bias, getattr(output, "scale", None)
        made: Tensor = _Window.apply(*weights, rows)  # type: ignore[no-untyped-call]
        return made

    def newest(self, cells: Any, output: Any, rows: StoredRows, to: Tensor) -> None:
        """See :meth:`Kernel.newest`."""
        weights = cells.input_weight, cells.hidden_weight, output.weight, output.bias, getattr(output, "scale", None)
        _forward(rows, weights, out=to, written_from=len(rows.order) - 1)

    def carry(self, cells: Any, rows: StoredRows) -> bool:
        """See :meth:`Kernel.carry`. A program reads the state of its own rows before it writes it."""
        assert isinstance(rows.rows, range)
        of_rows = rows.hidden[rows.rows.start : rows.rows.stop]
        _forward(rows, (cells.input_weight, cells.hidden_weight, None, None, None), states=of_rows)
        return True


@cache
def _kernels() -> ModuleType:
    """The kernels, which are imported when a GPU first needs them."""
    from asmg_pl.generators.kernels import gru_triton

    return gru_triton


class _Tiles:
    """How a table's coordinates are cut into tiles."""

    def __init__(self, rows: StoredRows) -> None:
        width, size = rows.hidden.shape[1:]
        self.columns = min(TILE, _power_of_2(width))
        self.rows = TILE // self.columns
        self.down, self.across = -(-len(rows) // self.rows), -(-width // self.columns)
        self.options = {
            "K": len(rows.order),
            "H": size,
            "UNITS": _power_of_2(size),
            "KEPT": len(rows.hidden) > 0,
            "ROWS": self.rows,
            "COLUMNS": self.columns,
            "GATHERED": not isinstance(rows.rows, range),
        }


def _power_of_2(least: int) -> int:
    return 1 << (least - 1).bit_length()


def _places(rows: StoredRows) -> tuple[list[Tensor], list[int]]:
    """The tensors and numbers that tell a kernel where rows stand."""
    which, table = rows.rows, rows.snapshots
    first, gathered = (which.start, rows.order) if isinstance(which, range) else (0, which)
    return [table, rows.order, gathered, rows.hidden], [first, len(rows), table.shape[1], table.shape[2]]


def _forward(
    rows: StoredRows,
    weights: tuple[Tensor | None, ...],
    out: Tensor | None = None,
    states: Tensor | None = None,
    written_from: int = 0,
) -> None:
    if not len(rows):
        return
    tensors, numbers = _places(rows)
    tiles = _Tiles(rows)
    some = tensors[0]  # stands for tensors that the kernel does not read
    _kernels().forward[tiles.down, tiles.across](
        *tensors,
        *(some if weight is None else weight for weight in (*weights, out, states)),
        *numbers,
        **tiles.options,
        RESIDUAL=weights[-1] is not None,
        WRITTEN_FROM=written_from,
        KEEPS_STATES=states is not None,
    )


class _Window(torch.autograd.Function):
    """Generated rows [k, n, D]. Values and initial state are constants without a gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        input_weight: Tensor,
        hidden_weight: Tensor,
        read: Tensor,
        bias: Tensor,
        scale: Tensor | None,
        rows: StoredRows,
    ) -> Tensor:
        weights = input_weight, hidden_weight, read, bias, scale
        ctx.save_for_backward(*weights)
        ctx.rows = rows
        out = input_weight.new_empty(len(rows.order), len(rows), rows.snapshots.shape[2])
        _forward(rows, weights, out=out)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, weights = ctx.rows, ctx.saved_tensors
        *shared, _, scale = weights
        sizes = [0 if weight is None else weight.numel() for weight in weights]
        tensors, numbers = _places(rows)
        tiles = _Tiles(rows)
        programs = max(1, min(tiles.down, RESIDENT * _multiprocessors(gradient.device)))
        sums = gradient.new_empty(programs, sum(sizes))
        _kernels().backward[programs, tiles.across](
            *tensors,
            *shared,
            tensors[0] if scale is None else scale,
            gradient.contiguous(),
            sums,
            *numbers,
            sum(sizes),
            **tiles.options,
            PADDED=_power_of_2(sum(weight.numel() for weight in shared) // rows.snapshots.shape[2]),
            RESIDUAL=scale is not None,
        )
        by_weight = sums.sum(0).split(sizes)
        found = [None if w is None else by.view_as(w) for w, by in zip(weights, by_weight, strict=True)]
        return *found, None


def _multiprocessors(device: torch.device) -> int:
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1
