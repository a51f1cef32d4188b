"""What the first rows of a log have: users, items, sizes, and the moments of their numbers.

Each fact is noted at the rows that were asked for, and the next one reads on from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from asmg_pl.data.catalogue import as_of
from asmg_pl.data.features import with_values
from asmg_pl.data.logged import Logged
from asmg_pl.data.marks import Marks
from asmg_pl.data.moments import BLOCK, Moments, logarithm
from asmg_pl.data.sizes import Sizes

if TYPE_CHECKING:
    from torch import Tensor


#: The numbers of values of the context features, and of the multi-valued ones.
Values = tuple[tuple[int, ...], tuple[int, ...]]


class Past:
    """The facts of a log's first rows, for any number of rows."""

    def __init__(
        self, landmarks: dict[int, tuple[int, int]], sizes: Sizes, values: Mapping[int, Values] | None = None
    ) -> None:
        """Know the landmarks.

        Args:
            landmarks: for some n, the numbers of users and items in the first n rows. New ones are added here.
            sizes: of all rows.
            values: for some n, the numbers of values that each feature has in the first n rows.
        """
        self._known = Marks(landmarks)
        nothing = with_values(sizes, (0,) * len(sizes.context), (0,) * len(sizes.lists))
        nothing = nothing._replace(users=0, items=0, categories=0)
        self._values = Marks({-1: (nothing.context, (0,) * len(sizes.lists)), **(values or {})})
        self._sizes = Marks({-1: nothing})  # also 0 rows may have users: those before
        self._moments = Marks({0: Moments.of(np.zeros((0, len(sizes.numbers)), np.float32))})

    def known(self, log: Logged, rows: int) -> tuple[int, int]:
        """The numbers of users and items in the first ``rows`` rows, with those of ``before``; larger ids are new."""
        last, (users, items) = self._known.before(rows)
        if last == rows:
            return users, items
        for part in log.between(last, rows).parts:
            if part.rows:
                users, items = max(users, int(part.user.max()) + 1), max(items, int(part.item.max()) + 1)
        self._known.note(rows, (users, items))
        return users, items

    def sizes(self, log: Logged, rows: int) -> Sizes:
        """The sizes that the first ``rows`` rows alone would have."""
        last, known = self._sizes.before(rows)
        if last == rows:
            return known
        last = max(0, last)
        users, items = self.known(log, rows)
        categories, context = known.categories, known.context
        lists = tuple(feature.values for feature in known.lists)
        if log.categories is not None:
            there = as_of(rows - 1, log.categories, log.updates)[known.items : items]
            arrived = [update.after for update in log.updates if last <= update.row < rows]
            categories = max([categories, *(int(table.max()) + 1 for table in (there, *arrived) if table.numel())])
        noted, values = self._values.before(rows)
        if noted > last:
            last, (context, lists) = noted, values
        for part in log.between(last, rows).parts if (context or lists) and last < rows else ():
            if part.rows:
                context = tuple(max(n, int(c.max()) + 1) for n, c in zip(context, part.context, strict=True))
                highest = () if part.lists is None else part.lists.amax((0, 2)).tolist()
                lists = tuple(max(n, newest + 1) for n, newest in zip(lists, highest, strict=True))
        found = with_values(known, context, lists)._replace(users=users, items=items, categories=categories)
        self._sizes.note(rows, found)
        return found

    def moments(self, log: Logged, rows: int) -> Moments:
        """The mean and the spread of each number over the first ``rows`` rows alone; those of ``before`` do not count.

        Of a number whose logarithm is scaled, they are those of its logarithms.

        It reads the rows since the last block that was read before, see :mod:`asmg_pl.data.moments`.
        """
        begin, found = self._moments.before(rows)
        while begin < rows and log.sizes.numbers:
            end = min(begin + BLOCK, rows)
            numbers: Tensor = log.between(begin, end).whole("numbers")
            logs = [feature.log for feature in log.sizes.numbers]
            found = found.joined(Moments.of(logarithm(numbers.cpu().numpy(), logs)))
            if end == begin + BLOCK:
                self._moments.note(end, found)
            begin = end
        return found
