"""The interface of compiled kernels, which compute cells and output of a table in one pass over its rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from asmg_pl.generators.stored import StoredRows


class Kernel(ABC):
    """Generates rows of a table, with the numbers of the plain cells up to rounding.

    Attributes:
        fewest_rows: the number of rows from which on the kernel is used; for fewer, the plain cells do as well.
        name: the name of the compiler.
        in_place: whether rows are read where they stand, so that no number of rows is too large for the memory.
    """

    fewest_rows: int = 1
    name: str = "compiled"
    in_place: bool = False

    @abstractmethod
    def generate(self, cells: Any, output: Any, rows: StoredRows) -> Tensor:
        """The rows that are generated after each snapshot, float [k, n, D].

        Args:
            cells: the cells of the table.
            output: the output of the table.
            rows: values and state, which are constants without a gradient.
        """

    def newest(self, cells: Any, output: Any, rows: StoredRows, to: Tensor) -> None:
        """Write the rows that are generated after the last snapshot, float [n, D] and contiguous; without a gradient.

        Only a kernel that is ``in_place`` has it.

        Args:
            cells: the cells of the table.
            output: the output of the table.
            rows: values and state.
            to: where they are written.
        """
        raise NotImplementedError(f"{self.name} does not read rows where they stand")

    def carry(self, cells: Any, rows: StoredRows) -> bool:
        """Replace the rows' state by that after the snapshots.

        Returns:
            whether the kernel has done it; a kernel without states has not.
        """
        return False
