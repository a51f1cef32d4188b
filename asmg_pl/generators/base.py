"""The meta generator: from the sequence of a parameter's past values to the value that serves the next period.

    θ_{t-k+1} … θ_t ─▶ generator ─▶ θ*_{t-k+1} … θ*_t

A generator knows tensors only. Rows of a table are independent of each other, so that any rows can be generated alone.
Most generators work coordinate by coordinate: a table's column is one kind of coordinate, which all rows of the table
share; each dense coordinate is a kind of its own. Others read whole rows, and how often each has been updated.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from asmg_pl.generators.stored import StoredRows


@dataclass(frozen=True)
class ParameterShapes:
    """The parameters that a generator generates, and the number of snapshots that it sees.

    Attributes:
        tables: width D of each embedding table, by name.
        dense: number of coordinates of each dense parameter, by name, in the order in which they are concatenated.
        window: number of snapshots, k; ``None`` if it grows.

    Examples:
        >>> shapes = ParameterShapes(tables={"user": 8, "item": 8}, dense={"mlp.weight": 48, "mlp.bias": 6}, window=3)
        >>> sum(shapes.dense.values())  # coordinates that are generated beside the tables
        54
    """

    tables: Mapping[str, int]
    dense: Mapping[str, int]
    window: int | None = 3


class Generator(nn.Module, ABC):
    """Maps windows of parameter values to generated values.

    Attributes:
        hidden_size: how many numbers of state each coordinate carries from window to window, ``H``.
        counts_updates: whether the rows' counts of updates are kept, see :mod:`asmg_pl.generators.counts`. If so,
            ``table``, ``generate``, ``advance`` and ``learned`` get them as a further argument, float [k, n, 3].

    Examples:
        One that goes on in the direction of the last two snapshots, by a learned share of the step:

        >>> class Extrapolate(Generator):
        ...     hidden_size = 0
        ...
        ...     def __init__(self, shapes):
        ...         super().__init__()
        ...         self.share = nn.Parameter(torch.zeros(()))
        ...
        ...     def dense(self, window, hidden):
        ...         step = window.diff(dim=0, prepend=window[:1])
        ...         return window + self.share * step, hidden.expand(len(window), *hidden.shape)
        ...
        ...     def table(self, name, window, hidden):
        ...         return self.dense(window, hidden)
        >>> from asmg_pl.testing import check_generator
        >>> check_generator(Extrapolate)
    """

    hidden_size: int
    counts_updates: bool = False

    @property
    def repeats_rows(self) -> bool:
        """Whether a row is generated each time that it is asked for, and not once, which needs no count of rows."""
        return False

    @property
    def computed_by(self) -> str:
        """The name of the implementation: ``plain``, or a compiled kernel with equal numbers up to rounding."""
        return "plain"

    def why_plain(self) -> str:
        """Why no compiled kernel computes the generator, though one was asked for, in words."""
        return f"{type(self).__name__} has no kernel"

    @abstractmethod
    def table(self, name: str, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Generate rows of a table.

        Args:
            name: the table.
            window: the rows' values in k consecutive snapshots, oldest first, float [k, n, D].
            hidden: the state before the window, float [n, D, H].

        Returns:
            The generated rows after each snapshot, float [k, n, D], and the state after each, float [k, n, D, H].
        """

    def generate(self, name: str, window: Tensor, hidden: Tensor, *updates: Tensor) -> Tensor:
        """The generated rows of :meth:`table` without the states, float [k, n, D], by the fastest way."""
        return self.table(name, window, hidden, *updates)[0]

    def generate_dense(self, window: Tensor, hidden: Tensor) -> Tensor:
        """The generated coordinates of :meth:`dense` without the states, float [k, P], by the fastest way."""
        return self.dense(window, hidden)[0]

    def advance(self, name: str, window: Tensor, hidden: Tensor, *updates: Tensor) -> Tensor:
        """The state of rows of a table after the window, float [n, D, H], without a gradient."""
        return self.table(name, window, hidden, *updates)[1][-1]

    def generate_stored(self, name: str, rows: StoredRows) -> Tensor:
        """The generated rows as in :meth:`generate`, float [k, n, D], of rows that stand in a history."""
        return self.generate(name, *rows.copied())

    def generate_stored_dense(self, stored: StoredRows) -> Tensor:
        """The generated coordinates as in :meth:`generate_dense`, float [k, P], of a history's row of P columns."""
        window, hidden = stored.copied()
        return self.generate_dense(window[:, 0], hidden[0])

    @torch.no_grad()
    def write_newest(self, name: str, rows: StoredRows, to: Tensor, chunk_rows: int) -> None:
        """Write the rows that are generated after the last snapshot.

        Args:
            name: the table.
            rows: a range of its rows.
            to: where they are written, float [n, D].
            chunk_rows: rows that are generated at a time, if they are copied.
        """
        for number, piece in enumerate(rows.pieces(chunk_rows)):
            part = to[number * chunk_rows :][: len(piece)]
            newest = torch.zeros(len(piece.order), len(piece), dtype=torch.bool, device=part.device)
            newest[-1] = True
            part.copy_(self.generate_stored(name, replace(piece, asked=newest))[-1])

    @torch.no_grad()
    def carry_state(self, name: str, rows: StoredRows, chunk_rows: int) -> None:
        """Replace the state of a range of rows by that after their snapshots, some rows at a time as above."""
        for piece in rows.pieces(chunk_rows):
            piece.keep_state(self.advance(name, *piece.copied()))

    def identity_at_zero(self) -> list[nn.Parameter]:
        """The parameters that make the generator the identity when all of them are 0; none by default.

        The generator's weight decay draws them to 0, and so the serving model to the incremental one.
        """
        return []

    def fuse(self, device: torch.device) -> None:
        """Use a compiled kernel from now on, if there is one, in ``generate``, ``generate_dense`` and ``advance``.

        Args:
            device: where the parameters are.

        Raises:
            OSError: if the kernel cannot be compiled.
        """

    @abstractmethod
    def dense(self, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Generate all dense coordinates, concatenated.

        Args:
            window: their values, float [k, P].
            hidden: the state before the window, float [P, H].

        Returns:
            The generated values, float [k, P], and the states, float [k, P, H].
        """

    def learned(self, name: str | None, window: Tensor, hidden: Tensor, *updates: Tensor) -> dict[str, float]:
        """Mean quantities that tell people how the generator works on these coordinates; none by default.

        Args:
            name: the table, or ``None`` for the dense coordinates.
            window: values as in :meth:`table` or :meth:`dense`.
            hidden: the state before the window, of the shape that these methods take.
            *updates: a table's counts of updates, if the generator asks for them.

        Returns:
            Quantities by name.
        """
        return {}
