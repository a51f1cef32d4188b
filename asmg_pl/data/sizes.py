"""How many users, items and categories a stream has."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Sizes(NamedTuple):
    """How many users, items and categories a stream has: the rows that an embedding table of each needs.

    Attributes:
        users: number of users.
        items: number of items.
        categories: number of categories; 0 for a stream without any.
        context: for each context feature, its number of values.
        past: gives the sizes of the rows up to the end of a period; ``None`` for rows that are not cut into periods.

    Examples:
        >>> Sizes(users=9, items=7, context=(3,))
        Sizes(users=9, items=7, categories=0, context=(3,), past=None)
    """

    users: int
    items: int
    categories: int = 0
    context: tuple[int, ...] = ()
    past: Callable[[int], Sizes] | None = None

    def by(self, period: int) -> Sizes:
        """The sizes of the rows up to the end of a period; these sizes, where there are no periods."""
        return self if self.past is None else self.past(period)
