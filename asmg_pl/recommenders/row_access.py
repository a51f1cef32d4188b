"""The ways to rows that are not simply at hand: other processes hold them, or they wait for their steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from asmg_pl.recommenders.lookup import Request


class Owners(Protocol):
    """The way to rows of a table that other processes hold in part."""

    def __call__(self, ids: Tensor) -> Request:
        """Ask for ids, int64 of any shape."""

    def ids_at(self, places: Tensor) -> Tensor:
        """The row numbers at these places of the rows at hand, int64 like the places."""

    @property
    def rows(self) -> int:
        """The number of rows of the whole table."""

    def places_of(self, rows: Tensor) -> Tensor:
        """The places at hand of those of these row numbers, int64 [n], that this process holds, int64 [m]."""

    def first_of(self, values: Tensor, axis: int = 0) -> Tensor:
        """What all processes together have for the table's first row, in a tensor with the rows at hand along an axis.

        All processes must ask. The result has one entry along the axis.
        """

    def held(self, rows: int) -> int:
        """The number of rows at hand among the first ``rows`` of the table; they stand before all others at hand."""


class Deferred(Protocol):
    """An optimiser that moves the rows of tables when they are next read.

    Attributes:
        may_wait: whether rows of any table can be waiting, the same in all processes; else all steps are dense.
    """

    may_wait: bool

    def catch_up(self, name: str | None = None) -> None:
        """Make all rows of a table current, or those of all tables."""

    def prepare(self, requests: Mapping[str, Request]) -> None:
        """Make the rows current that requests ask for, by table."""

    def read(self, name: str, request: Request, known: int) -> tuple[Tensor, Tensor, Tensor] | None:
        """The distinct rows of a request, their vectors, and the place of each id; ``None`` if no row waits."""
