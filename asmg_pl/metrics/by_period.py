"""Looks for what was noted of late periods from the end, in a time that does not grow with the periods before them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import TypeVar, cast

Note = TypeVar("Note")


def backwards(notes: Mapping[int, Note]) -> Iterator[Note]:
    """The notes, the newest first; notes stand in the order of their periods.

    Examples:
        >>> list(backwards({11: "a", 12: "b"}))
        ['b', 'a']
    """
    return reversed(cast("dict[int, Note]", notes).values())


def later(notes: Mapping[int, Note], period: int) -> dict[int, Note]:
    """The notes of the periods after one.

    Examples:
        >>> later({11: "a", 12: "b", 13: "c"}, 11)
        {12: 'b', 13: 'c'}
    """
    newest = reversed(cast("dict[int, Note]", notes).items())
    return dict(reversed([*takewhile(lambda note: note[0] > period, newest)]))


def between(notes: Mapping[int, Note], period: int, last: int) -> dict[int, Note]:
    """The notes of the periods after one, up to another one.

    Examples:
        >>> between({11: "a", 12: "b", 13: "c"}, 11, 12)
        {12: 'b'}
    """
    return {each: note for each, note in later(notes, period).items() if each <= last}
