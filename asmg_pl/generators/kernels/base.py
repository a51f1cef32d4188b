"""Compiled kernels: a table's cells and output in one pass over its rows, forward and backward."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor


class Kernel(ABC):
    """Generates rows of a table, equal to the plain cells up to rounding.

    Attributes:
        fewest_rows: for fewer, the plain cells do as well.
        name: what compiles it.
    """

    fewest_rows: int = 1
    name: str = "compiled"

    @abstractmethod
    def __call__(self, cells: Any, output: Any, window: Tensor, hidden: Tensor) -> Tensor:
        """Generate rows.

        Args:
            cells: of the table.
            output: of the table.
            window: values, oldest first, float [k, n, D].
            hidden: the state before the window, float [n, D, H].

        Returns:
            float [k, n, D].
        """

    def advance(self, cells: Any, window: Tensor, hidden: Tensor) -> Tensor | None:
        """The state after the window, float [n, D, H], without a gradient; ``None`` if the kernel does not give it."""
        return None
