"""SML's transfer: from the parameters before a period and those trained on it to the parameters that serve.

w_{t-1} ────────────────────┐
ŵ_t ────────────────────────┼─▶ n1 filters ─▶ n2 filters ─▶ flatten ─▶ linear ─▶ linear ─▶ w_t       GELU between them
w_{t-1} ⊙ ŵ_t / ‖w_{t-1}‖ ──┘

A filter sees the three values of one coordinate. A table's rows share their weights; each dense tensor, taken as one
row, has its own. Source: Zhang et al., "How to Retrain Recommender System? A Sequential Meta-Learning Method" (SIGIR
2020), as run by Peng et al. (2021).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asmg_pl.errors import ConfigError
from asmg_pl.generators.base import ParameterShapes
from asmg_pl.recommenders.base import glorot_uniform_


class RowTransfer(nn.Module):
    """The transfer of rows of one width."""

    def __init__(self, width: int, filters: tuple[int, int], hidden: int) -> None:
        """Create the layers, Glorot uniform, biases included.

        Args:
            width: numbers in a row, D.
            filters: n1 and n2.
            hidden: width of the layer before the last.
        """
        super().__init__()
        first, second = filters
        self.first, self.second = nn.Linear(3, first, bias=False), nn.Linear(first, second, bias=False)
        self.hidden, self.output = nn.Linear(width * second, hidden), nn.Linear(hidden, width)
        for layer in (self.hidden, self.output):
            glorot_uniform_(layer.weight.data)
            glorot_uniform_(layer.bias.data)
        for layer in (self.first, self.second):  # convolutions in the authors' code: the filter's height counts twice
            limit = (6.0 / (layer.in_features * (1 + layer.out_features))) ** 0.5
            nn.init.uniform_(layer.weight, -limit, limit)

    def forward(self, before: Tensor, now: Tensor) -> Tensor:
        """From w_{t-1} and ŵ_t, float [n, D] each, to w_t, float [n, D]."""
        norm = torch.linalg.vector_norm(before, dim=1, keepdim=True).clamp(min=torch.finfo(before.dtype).tiny)
        seen = torch.stack([before, now, before * now / norm], dim=-1)  # [n, D, 3]
        filtered = F.gelu(self.second(F.gelu(self.first(seen))))  # [n, D, n2]
        transferred: Tensor = self.output(F.gelu(self.hidden(filtered.flatten(1))))
        return transferred


class Transfer(nn.Module):
    """One :class:`RowTransfer` for each table and each dense tensor.

    Examples:
        >>> transfer = Transfer(ParameterShapes(tables={"item": 8}, dense={"bias": 1}))
        >>> before, now = torch.randn(5, 8), torch.randn(5, 8)
        >>> transfer.table("item", before, now).shape
        torch.Size([5, 8])
    """

    def __init__(
        self,
        shapes: ParameterShapes,
        table_filters: tuple[int, int] = (10, 5),
        table_hidden: int = 20,
        dense_filters: tuple[int, int] = (5, 3),
        dense_hidden: int | None = None,
    ) -> None:
        """Create the transfers; a dense tensor of n numbers needs about n · (n2 + 1) · ``dense_hidden`` weights.

        Args:
            shapes: what to transfer.
            table_filters: n1 and n2 of the tables.
            table_hidden: width of the tables' layer before the last.
            dense_filters: n1 and n2 of the dense tensors.
            dense_hidden: width of the dense tensors' layer before the last. By default 2n for a tensor of n numbers,
                but not above the larger of 40 and √(8n); for the published MLP these are the published widths.
        """
        super().__init__()
        sizes = (*table_filters, table_hidden, *dense_filters, 1 if dense_hidden is None else dense_hidden)
        if min(sizes) < 1:
            raise ConfigError(f"transfer: filters and hidden widths must be at least 1, got {sizes}")
        self.tables = nn.ModuleDict(
            {name: RowTransfer(width, table_filters, table_hidden) for name, width in shapes.tables.items()}
        )
        self.tensors = nn.ModuleDict()
        for name, size in shapes.dense.items():
            hidden = min(2 * size, max(40, math.isqrt(8 * size))) if dense_hidden is None else dense_hidden
            self.tensors[_key(name)] = RowTransfer(size, dense_filters, hidden)

    def table(self, name: str, before: Tensor, now: Tensor) -> Tensor:
        """Transfer rows of a table, float [n, D]."""
        transferred: Tensor = self.tables[name](before, now)
        return transferred

    def dense(self, name: str, before: Tensor, now: Tensor) -> Tensor:
        """Transfer a dense tensor, float of any shape."""
        transferred: Tensor = self.tensors[_key(name)](before.reshape(1, -1), now.reshape(1, -1))
        return transferred.view_as(now)


def _key(name: str) -> str:
    """A parameter's path as a name that a module may have."""
    return name.replace(".", "_")
