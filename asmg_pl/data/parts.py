"""The parts of a log that are opened when their rows are first used, and closed when others need the room.

spans     rows, first and last time of each part     known without opening any
open      part 0   ·   ·   part 3   part 4           those used last, as many as there is room for
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, overload

from asmg_pl.data.columns import Columns


class Span(NamedTuple):
    """What is known of a part before it is opened.

    Attributes:
        rows: the number of its rows.
        first_time: the time of the first one.
        last_time: the time of the last one.
        bytes: the size of its columns.
    """

    rows: int
    first_time: int
    last_time: int
    bytes: int


class Parts(Sequence[Columns]):
    """Parts that are opened one by one.

    Attributes:
        spans: of the parts, in their order.
    """

    def __init__(self, spans: Sequence[Span], open_part: Callable[[int], Columns], room: int) -> None:
        """Open nothing yet.

        Args:
            spans: of the parts.
            open_part: opens a part, given its place.
            room: the most bytes of the parts that are open; one of any size is.
        """
        self.spans = tuple(spans)
        self._open_part, self._room = open_part, room
        self._open: OrderedDict[int, Columns] = OrderedDict()

    def __len__(self) -> int:
        return len(self.spans)

    @overload
    def __getitem__(self, number: int) -> Columns: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Columns]: ...
    def __getitem__(self, number: int | slice) -> Columns | Sequence[Columns]:
        """A part, which is opened if it is not open."""
        if isinstance(number, slice):
            return [self[each] for each in range(len(self))[number]]
        place = range(len(self))[number]
        if place not in self._open:
            while self._open and self._bytes(place, *self._open) > self._room:
                self._open.popitem(last=False)  # its files are let go when nobody uses its rows any more
            self._open[place] = self._open_part(place)
        self._open.move_to_end(place)
        return self._open[place]

    def __iter__(self) -> Iterator[Columns]:
        return (self[number] for number in range(len(self)))

    def some(self) -> Columns:
        """A part, one that is open if there is one."""
        return next(reversed(self._open.values())) if self._open else self[0]

    def _bytes(self, *places: int) -> int:
        return sum(self.spans[place].bytes for place in places)
