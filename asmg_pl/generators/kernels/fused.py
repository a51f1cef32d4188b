"""The window's cells and outputs in one kernel of ``torch.compile``, forward and backward, for GPUs.

    plain    values ─▶ maps ─▶ gates ─▶ states ─▶ outputs        each arrow goes through memory, k times
    fused    values ─────────────────────────────▶ outputs        states live in registers

The step is written unit by unit (:meth:`~asmg_pl.generators.cell.Cells.units`), without matrix products of size H, so
that the compiler can make one loop over coordinates. The compiler derives the backward pass too, which computes the
states again instead of storing them.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asmg_pl.generators.kernels.base import Kernel
from asmg_pl.generators.stored import StoredRows

#: Multiplications per coordinate, k · G · H · (H + 1), above which a compiler takes minutes and gains nothing.
LARGEST = 512

#: Rows are padded to a multiple of this, so that vector loads do not straddle cache lines.
ALIGNED = 16


def _window(cells: Any, output: Any, window: Tensor, hidden: Tensor) -> Tensor:
    """Generated values [k, P, n] from values [k, P, n] and the state before them [H, P, n]."""
    state, generated = list(hidden.unbind(0)), []
    for value in window.unbind(0):
        state = cells.units(value, state)
        generated.append(output.units(value, state))
    return torch.stack(generated)


class FusedWindow(Kernel):
    """Cells and outputs of any table. The first call compiles it; tables of one width share the compiled kernel."""

    name = "torch.compile"
    fewest_rows = 4097  # for fewer rows the compiler would make another kernel

    def __init__(self, device: torch.device) -> None:
        """Compile nothing yet.

        Raises:
            OSError: if there is no compiler for the device.
        """
        if device.type == "cuda" and importlib.util.find_spec("triton") is None:
            raise OSError("torch.compile needs Triton on a GPU: pip install triton")
        self._compiled = torch.compile(_window, dynamic=True, fullgraph=True)

    def generate(self, cells: nn.Module, output: Any, rows: StoredRows) -> Tensor:
        """See :meth:`Kernel.generate`."""
        return self(cells, output, *rows.copied()[:2])

    def __call__(self, cells: nn.Module, output: Any, window: Tensor, hidden: Tensor) -> Tensor:
        """Generate rows from values, float [k, n, D], and the state before them, float [n, D, H]."""
        rows = window.shape[1]
        padding = -rows % ALIGNED  # rows that are missing to the next multiple
        values = F.pad(window.transpose(1, 2), (0, padding))  # [k, D, n]
        state = F.pad(hidden.permute(2, 1, 0), (0, padding))  # [H, D, n]
        generated: Tensor = self._compiled(cells, output, values, state)
        return generated[..., :rows].transpose(1, 2)
