"""The interface of a log to what computes something of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, Self

from asmg_pl.data.catalogue import Update
from asmg_pl.data.columns import Columns
from asmg_pl.data.sizes import Sizes

if TYPE_CHECKING:
    from torch import Tensor


class Logged(Protocol):
    """What is read of an :class:`~asmg_pl.data.log.InteractionLog`."""

    @property
    def parts(self) -> Sequence[Columns]:
        """The rows, part after part."""

    @property
    def sizes(self) -> Sizes:
        """The sizes of all rows."""

    @property
    def digests(self) -> tuple[str, ...]:
        """Digests of the first blocks, as many as are known already."""

    @property
    def categories(self) -> Tensor | None:
        """The newest categories."""

    @property
    def updates(self) -> tuple[Update, ...]:
        """Later changes of the categories, the oldest first."""

    def between(self, begin: int, end: int) -> Self:
        """The rows ``begin … end - 1``."""

    def whole(self, name: str) -> Tensor:
        """A column of all rows."""

    def known(self, rows: int) -> tuple[int, int]:
        """The numbers of users and items in the first ``rows`` rows."""

    def sizes_by(self, rows: int) -> Sizes:
        """The sizes that the first ``rows`` rows alone would have."""
