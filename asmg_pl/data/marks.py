"""What is known of the first rows of a stream, noted at some rows, so that counting goes on from the nearest one."""

from __future__ import annotations

from bisect import bisect_right, insort
from typing import Generic, TypeVar

Fact = TypeVar("Fact")


class Marks(Generic[Fact]):
    """Facts by the number of rows that they hold for. The search does not slow down with their number.

    Examples:
        >>> users = Marks({0: 0, 100: 7})
        >>> users.before(250)
        (100, 7)
        >>> users.note(200, 9)
        >>> users.before(250)
        (200, 9)
    """

    def __init__(self, facts: dict[int, Fact]) -> None:
        """Take facts over.

        Args:
            facts: at least one, for the fewest rows that are ever asked for. New facts are added here.
        """
        self._facts = facts
        self._rows = sorted(facts)

    def before(self, rows: int) -> tuple[int, Fact]:
        """The last mark that is not beyond so many rows, and its fact."""
        found = self._rows[bisect_right(self._rows, rows) - 1]
        return found, self._facts[found]

    def note(self, rows: int, fact: Fact) -> None:
        """Note a fact about the first rows."""
        if rows not in self._facts:
            insort(self._rows, rows)
        self._facts[rows] = fact
