"""GRU generators: the paper's, and a residual one that starts as the incremental model.

    θ_{t-k+1} ─▶ cell ─▶ h ─▶ cell ─▶ … ─▶ h_t ─▶ output ─▶ θ*_t

The cells are GRUs by default. With other cells the generators keep their names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from asmg_pl.errors import ConfigError
from asmg_pl.generators.base import Generator, ParameterShapes
from asmg_pl.generators.cell import Cells, GRUCells, glorot_cells
from asmg_pl.generators.kernels.base import Kernel
from asmg_pl.generators.kernels.fused import LARGEST, FusedWindow
from asmg_pl.generators.kernels.native import NativeWindow
from asmg_pl.generators.kernels.triton_window import TritonWindow
from asmg_pl.generators.stored import StoredRows


class LinearOutput(nn.Module):
    """θ* = w_y · h + b_y, one output per kind of coordinate (the paper's)."""

    def __init__(self, groups: Sequence[int], hidden_size: int) -> None:
        """Create P = Σ groups outputs, Glorot uniform."""
        super().__init__()
        self.weight = nn.Parameter(glorot_cells(groups, hidden_size, 1).squeeze(-1))  # [P, H]
        self.bias = nn.Parameter(glorot_cells(groups, 1, 1).flatten())  # [P]

    def forward(self, window: Tensor, states: Tensor) -> Tensor:
        """From values [k, P, n] and states [k, P, n, H] to generated values [k, P, n]."""
        return self.around(window, (states @ self.weight.unsqueeze(-1)).squeeze(-1))

    def around(self, window: Tensor, change: Tensor) -> Tensor:
        """Generated values from values and w_y · h, float [k, P, n] each."""
        return change + self.bias[:, None]

    def units(self, value: Tensor, state: Sequence[Tensor]) -> Tensor:
        """Generated values of one snapshot, float [P, n], from the units of its state, float [P, n] each."""
        return sum((h * self.weight[:, i, None] for i, h in enumerate(state)), self.bias[:, None])


class ResidualOutput(nn.Module):
    """θ* = θ·(1 + s) + w_y · h + b_y with s, w_y, b_y starting at 0: the incremental model until it learns better."""

    def __init__(self, groups: Sequence[int], hidden_size: int) -> None:
        """Create P = Σ groups outputs, all zero."""
        super().__init__()
        cells = sum(groups)
        self.scale = nn.Parameter(torch.zeros(cells))
        self.weight = nn.Parameter(torch.zeros(cells, hidden_size))
        self.bias = nn.Parameter(torch.zeros(cells))

    def forward(self, window: Tensor, states: Tensor) -> Tensor:
        """From values [k, P, n] and states [k, P, n, H] to generated values [k, P, n]."""
        return self.around(window, (states @ self.weight.unsqueeze(-1)).squeeze(-1))

    def around(self, window: Tensor, change: Tensor) -> Tensor:
        """Generated values from values and w_y · h, float [k, P, n] each."""
        return window + window * self.scale[:, None] + (change + self.bias[:, None])

    def units(self, value: Tensor, state: Sequence[Tensor]) -> Tensor:
        """Generated values of one snapshot, float [P, n], from the units of its state, float [P, n] each."""
        change = sum((h * self.weight[:, i, None] for i, h in enumerate(state)), self.bias[:, None])
        return value + value * self.scale[:, None] + change


class GRUGenerator(Generator):
    """The paper's generator: a GRU over the snapshots and a linear output (ASMG-GRU).

    Examples:
        >>> generator = GRUGenerator(ParameterShapes(tables={"item": 8}, dense={"bias": 1}), hidden_size=4)
        >>> window, hidden = torch.randn(3, 5, 8), torch.zeros(5, 8, 4)  # three snapshots of five rows
        >>> generated, states = generator.table("item", window, hidden)
        >>> generated.shape, states.shape
        (torch.Size([3, 5, 8]), torch.Size([3, 5, 8, 4]))
    """

    output: type[nn.Module] = LinearOutput

    def __init__(
        self,
        shapes: ParameterShapes,
        hidden_size: int = 4,
        cell: Callable[[Sequence[int], int], Cells] = GRUCells,
    ) -> None:
        """Build cells for each table column and each dense coordinate.

        Args:
            shapes: what to generate.
            hidden_size: size of a coordinate's state, H.
            cell: class of the recurrent cells, called with the numbers of cells and ``hidden_size``.
        """
        super().__init__()
        if hidden_size < 1:
            raise ConfigError(f"generator.hidden_size must be at least 1, got {hidden_size}")
        self.hidden_size = hidden_size
        self.cells, self.outputs = nn.ModuleDict(), nn.ModuleDict()
        groups = {f"table_{name}": [width] for name, width in shapes.tables.items()}
        for key, sizes in (groups | {"dense": list(shapes.dense.values())}).items():
            self.cells[key] = cells = cell(sizes, hidden_size)
            self.outputs[key] = self.output(sizes, hidden_size)
            self._gates = cells.gates
        self._window = shapes.window
        self.kernel: Kernel | None = None

    @property
    def repeats_rows(self) -> bool:
        """See :attr:`Generator.repeats_rows`."""
        return self.kernel is not None and self.kernel.in_place

    @property
    def computed_by(self) -> str:
        """See :attr:`Generator.computed_by`."""
        return "plain" if self.kernel is None else self.kernel.name

    def _run(self, key: str, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        states = self.cells[key](window, hidden)
        return self.outputs[key](window, states), states

    def table(self, name: str, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Generator.table`."""
        generated, states = self._run(f"table_{name}", window.transpose(1, 2), hidden.transpose(0, 1))
        return generated.transpose(1, 2), states.transpose(1, 2)

    def fuse(self, device: torch.device) -> None:
        """See :meth:`Generator.fuse`: for GRU cells C++ on the CPU and Triton on a GPU; else ``torch.compile`` there.

        On a GPU, a window that grows and large states stay with the plain cells, since compiling takes minutes.
        """
        # A window that grows (None) has no largest number of products.
        products = (self._window or math.inf) * self._gates * self.hidden_size * (self.hidden_size + 1)
        gru = all(type(cells) is GRUCells for cells in self.cells.values())
        if device.type == "cpu":
            self.kernel = NativeWindow(self.hidden_size) if gru else None
        elif products <= LARGEST:
            self.kernel = TritonWindow() if gru and device.type == "cuda" else FusedWindow(device)

    def why_plain(self) -> str:
        """See :meth:`Generator.why_plain`."""
        kinds = {type(cells).__name__ for cells in self.cells.values()}
        if kinds != {GRUCells.__name__}:
            return f"there is no kernel for {', '.join(sorted(kinds))} on this device"
        return "a window that grows, or a large hidden_size, would take minutes to compile"

    def _fast(self, rows: int) -> Kernel | None:
        """The kernel, if it is to be used for so many rows."""
        return None if self.kernel is None or rows < self.kernel.fewest_rows else self.kernel

    def generate_stored(self, name: str, rows: StoredRows) -> Tensor:
        """See :meth:`Generator.generate_stored`."""
        kernel = self._fast(len(rows))
        if kernel is None:
            return super().generate_stored(name, rows)
        return kernel.generate(self.cells[f"table_{name}"], self.outputs[f"table_{name}"], rows)

    def generate_stored_dense(self, stored: StoredRows) -> Tensor:
        """See :meth:`Generator.generate_stored_dense`. The kernel takes the coordinates for a row of P columns."""
        kernel = self._fast(1)
        if kernel is None:
            return super().generate_stored_dense(stored)
        return kernel.generate(self.cells["dense"], self.outputs["dense"], stored)[:, 0]

    def generate(self, name: str, window: Tensor, hidden: Tensor, *updates: Tensor) -> Tensor:
        """See :meth:`Generator.generate`."""
        if self._fast(len(hidden)) is None:
            return super().generate(name, window, hidden)
        return self.generate_stored(name, StoredRows.beside(window, hidden))

    def write_newest(self, name: str, rows: StoredRows, to: Tensor, chunk_rows: int) -> None:
        """See :meth:`Generator.write_newest`."""
        kernel = self._fast(len(rows))
        if kernel is None or not kernel.in_place:
            super().write_newest(name, rows, to, chunk_rows)
        else:
            kernel.newest(self.cells[f"table_{name}"], self.outputs[f"table_{name}"], rows, to)

    def carry_state(self, name: str, rows: StoredRows, chunk_rows: int) -> None:
        """See :meth:`Generator.carry_state`."""
        kernel = self._fast(len(rows))
        if kernel is None or not kernel.carry(self.cells[f"table_{name}"], rows):
            super().carry_state(name, rows, chunk_rows)

    def dense(self, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Generator.dense`."""
        generated, states = self._run("dense", window.unsqueeze(-1), hidden.unsqueeze(1))
        return generated.squeeze(-1), states.squeeze(2)

    def learned(self, name: str | None, window: Tensor, hidden: Tensor, *updates: Tensor) -> dict[str, float]:
        """The quantities of its cells, see :meth:`~asmg_pl.generators.cell.Cells.learned`."""
        if name is None:
            key, window, hidden = "dense", window.unsqueeze(-1), hidden.unsqueeze(1)
        else:
            key, window, hidden = f"table_{name}", window.transpose(1, 2), hidden.transpose(0, 1)
        cells = cast(Cells, self.cells[key])
        return cells.learned(window, torch.cat([hidden[None], cells(window, hidden)[:-1]]))


class ResidualGRU(GRUGenerator):
    """A GRU generator that adds its output to the snapshot; until it is trained, it serves the incremental model.

    Examples:
        >>> generator = ResidualGRU(ParameterShapes(tables={"item": 8}, dense={"bias": 1}))
        >>> window = torch.randn(3, 5, 8)
        >>> torch.equal(generator.generate("item", window, torch.zeros(5, 8, 4)), window)  # until it is trained
        True
    """

    output = ResidualOutput

    def identity_at_zero(self) -> list[nn.Parameter]:
        """See :meth:`Generator.identity_at_zero`: the parameters of the outputs."""
        return list(self.outputs.parameters())
