"""The interface of compiled kernels, which compute cells and output of a table in one pass over its rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor


class Kernel(ABC):
    """Generates rows of a table, with the numbers of the plain cells up to rounding.

    Attributes:
        fewest_rows: the number of rows from which on the kernel is used; for fewer, the plain cells do as well.
        name: the name of the compiler.
    """

    fewest_rows: int = 1
    name: str = "compiled"

    @abstractmethod
    def __call__(self, cells: Any, output: Any, window: Tensor, hidden: Tensor) -> Tensor:
        """Generate rows.

        Args:
            cells: the cells of the table.
            output: the output of the table.
            window: values, oldest first, float [k, n, D].
            hidden: the state before the window, float [n, D, H].

        Returns:
            float [k, n, D].
        """

    def advance(self, cells: Any, window: Tensor, hidden: Tensor) -> Tensor | None:
        """The state after the window, float [n, D, H], without a gradient; ``None`` if the kernel has no states."""
        return None
