"""What several parts have for each row of a mini-batch, side by side in one tensor, without a copy of each.

row       user, history, item │ a vector of each feature │ numbers          forward: each part writes its columns
          ◀────────────────── columns of one tensor ──────────────▶          backward: it reads its columns of the slope
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor


class Part(Protocol):
    """Some of the columns.

    Attributes:
        columns: how many there are.
        tensors: what they are made of, and what gets a gradient.
    """

    columns: int
    tensors: Sequence[Tensor]

    def write(self, out: Tensor) -> None:
        """Fill float [B, columns], whose rows may be apart; the numbers of one row stand side by side."""

    def gradients(self, slope: Tensor, wanted: Sequence[bool]) -> list[Tensor | None]:
        """The gradient of each of ``tensors`` that is wanted.

        Args:
            slope: of the columns, float [B, columns], like ``out``.
            wanted: for each tensor, whether its gradient is wanted.
        """


class Given:
    """Columns that are at hand: a tensor [B, …]."""

    def __init__(self, tensor: Tensor) -> None:
        """Take a tensor, float [B, …]."""
        self.columns: int = tensor.shape[1:].numel()
        self.tensors: Sequence[Tensor] = (tensor,)

    def write(self, out: Tensor) -> None:
        """See :meth:`Part.write`."""
        out.view(self.tensors[0].shape).copy_(self.tensors[0])

    def gradients(self, slope: Tensor, wanted: Sequence[bool]) -> list[Tensor | None]:
        """See :meth:`Part.gradients`."""
        return [slope.view(self.tensors[0].shape) if wanted[0] else None]


def side_by_side(parts: Sequence[Part], rows: int) -> Tensor:
    """The columns of all parts, float32 [B, columns] on the CPU.

    Args:
        parts: at least one.
        rows: B.

    Raises:
        IndexError: if a part has an id that is not in its table.

    Examples:
        >>> side_by_side([Given(torch.tensor([[1.0, 2.0]])), Given(torch.tensor([[[3.0], [4.0]]]))], rows=1)
        tensor([[1., 2., 3., 4.]])
    """
    tensors = [tensor for part in parts for tensor in part.tensors]
    made: Tensor = _SideBySide.apply(parts, rows, *tensors)  # type: ignore[no-untyped-call]
    return made


class _SideBySide(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parts: Sequence[Part], rows: int, *tensors: Tensor) -> Tensor:
        ctx.parts = parts
        out = torch.empty(rows, sum(part.columns for part in parts))
        for part, columns in zip(parts, _pieces(out, parts), strict=True):
            part.write(columns)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        wanted, found = [*ctx.needs_input_grad[2:]], []
        for part, columns in zip(ctx.parts, _pieces(slope.contiguous(), ctx.parts), strict=True):
            count = len(part.tensors)
            found += part.gradients(columns, wanted[:count])
            del wanted[:count]
        return None, None, *found


def _pieces(columns: Tensor, parts: Sequence[Part]) -> Sequence[Tensor]:
    """The columns of each part."""
    return [columns] if len(parts) == 1 else columns.split_with_sizes([part.columns for part in parts], dim=1)
