"""The interaction log: a stream's rows in the order of time, and each user's past stored once.

    rows, by time            user  2  0  2  1  0  2  …
                             item  5  3  4  3  9  1  …
                                         │
    sequences, by user       [3 9 …] [3 …] [5 4 …]      the items that make a history, each written once
                                              ▲
    history of a row   =  the last entries before its offset, no copy per row

A log in memory has one such part. A stream on disk has one part for each append.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from asmg_pl.data.batch import Batch
from asmg_pl.data.catalogue import Update, as_of, number_categories, plain_catalogue
from asmg_pl.data.columns import Columns
from asmg_pl.data.encoding import encode
from asmg_pl.data.features import Features
from asmg_pl.data.fingerprint import fingerprint
from asmg_pl.data.histories import histories
from asmg_pl.data.moments import Moments
from asmg_pl.data.names import Names
from asmg_pl.data.parts import Parts
from asmg_pl.data.past import Past, Values
from asmg_pl.data.schema import PLAIN, by_time, checked, context_of
from asmg_pl.data.sizes import Sizes as Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.system.lazy import later

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = later("torch")


@dataclass(frozen=True, eq=False)
class InteractionLog:
    """A stream's interactions, sorted by time; ids are dense and numbered by first appearance.

    Since ids are numbered by first appearance, appended rows never renumber earlier ones. The position of a row counts
    over all parts.

    Attributes:
        parts: the rows, part after part; at least one. :class:`~asmg_pl.data.parts.Parts` are opened when their rows
            are used.
        categories: the newest categories, int64 [items, C] padded with -1, or ``None``; see :meth:`as_of`.
        sizes: the numbers of users, items and categories, and the features with their numbers of values.
        longest_history: the longest history that a row can be given; ``None`` if there is no limit.
        digests: digests of the first blocks of rows, as many as are known already.
        landmarks: for some n, the numbers of users and items in the first n rows and in ``before``.
        values: for some n, the numbers of values that each context and each multi-valued feature has in the first n
            rows.
        before: earlier rows, which belong to no period; ``None`` if there are none.
        updates: later changes of the categories, the oldest first.
        intact: for each part, a check that is called before its rows are used. It raises a ``DataError`` if they are
            damaged.
        context_names: the names of the context features, in the order of ``sizes.context``.
        names: gives the names of ids, in the order of the ids: of ``"users"``, ``"items"``, ``"categories"``, of the
            context features' values as ``"context-0"`` and so on, and of the values of multi-valued features as
            ``"list-0"`` and so on. It may give later ids too. Empty if nobody knows.
        history: which rows enter later histories: those with label 1 (``"positive"``), or ``"all"``.

    Examples:
        >>> rows = pl.DataFrame({"user": ["b", "a", "a"], "item": [7, 5, 7], "label": [1, 1, 0], "time": [1, 2, 3]})
        >>> log = InteractionLog.from_frame(rows)
        >>> log.user, log.item  # numbered by first appearance
        (tensor([0, 1, 1], dtype=torch.int32), tensor([0, 1, 0], dtype=torch.int32))
        >>> log.batch(torch.tensor([2]), history_size=2).history  # a's item 1, and padding
        tensor([[1, 0]])
    """

    parts: Sequence[Columns]
    categories: Tensor | None
    sizes: Sizes
    longest_history: int | None = None
    digests: tuple[str, ...] = ()
    landmarks: dict[int, tuple[int, int]] = field(default_factory=lambda: {0: (0, 0)})
    values: Mapping[int, Values] = field(default_factory=dict)
    before: InteractionLog | None = None
    updates: tuple[Update, ...] = ()
    intact: tuple[Callable[[], None], ...] = ()
    context_names: tuple[str, ...] = ()
    names: Mapping[str, Callable[[], pl.Series]] = field(default_factory=dict)
    history: str = "positive"

    def __len__(self) -> int:
        return self._starts[-1]

    @classmethod
    def from_frame(
        cls,
        rows: pl.DataFrame,
        categories: pl.DataFrame | None = None,
        positive_history: bool = True,
        features: Features = PLAIN,
    ) -> InteractionLog:
        """Build a log from a frame of interactions.

        Args:
            rows: columns ``user``, ``item`` (integers or strings), ``label`` (0 or 1) and ``time`` (integer). Rows of
                equal time keep their order. Any further column is a context feature (integers or strings), unless
                ``features`` names it.
            categories: columns ``item`` and ``categories`` (a list per item). Items without an entry have none.
            positive_history: whether only rows with label 1 enter later histories, or all rows.
            features: which columns hold numbers, lists, weights and further labels.

        Raises:
            DataError: if there is no row, a column or a value is missing or of a wrong type, or a label is neither 0
                nor 1.

        Examples:
            >>> rows = {"user": [1, 2], "item": [5, 5], "label": [1, 0], "time": [1, 2]}
            >>> rows |= {"price": [2.5, None], "tags": [["red", "wide"], []]}
            >>> described = Features(numbers=("price",), lists=("tags",), list_size=3)
            >>> batch = InteractionLog.from_frame(pl.DataFrame(rows), features=described).batch(torch.arange(2), 0)
            >>> batch.numbers.tolist(), batch.lists.tolist()
            ([[2.5], [nan]], [[[0, 1, -1]], [[-1, -1, -1]]])
        """
        rows = by_time(checked(rows, features))
        arrays, names = encode(rows, features, {})
        user, item, label, time = (arrays[name] for name in ("user", "item", "label", "time"))
        enters = label.astype(bool) if positive_history else np.ones(len(label), dtype=bool)
        past = histories(user, item, time, enters)
        arrays |= {"history_end": past.end, "history_length": past.length, "sequence": past.sequence}
        table, known = None, Names("categories")
        if categories is not None:
            table, known = number_categories(names["items"].since(0), plain_catalogue(categories), known)
        context = {name: len(names[f"context-{n}"]) for n, name in enumerate(context_of(rows, features))}
        lists = [len(names[f"list-{number}"]) for number in range(len(features.lists))]
        return cls(
            parts=(Columns.from_numpy(arrays),),
            categories=None if table is None or not len(known) else torch.from_numpy(table).long(),
            sizes=features.sizes(len(names["users"]), len(names["items"]), len(known), context, lists),
            context_names=tuple(context),
            names={what: partial(each.since, 0) for what, each in (names | {"categories": known}).items()},
            history="positive" if positive_history else "all",
        )

    @property
    def user(self) -> Tensor:
        """User ids, int32 [rows]. A view if the log has one part, otherwise a copy; so are the following columns."""
        return self.whole("user")

    @property
    def item(self) -> Tensor:
        """Item ids, int32 [rows]."""
        return self.whole("item")

    @property
    def label(self) -> Tensor:
        """Labels, uint8 [rows], 1 for a positive interaction."""
        return self.whole("label")

    @property
    def time(self) -> Tensor:
        """Times, int64 [rows], non-decreasing, in seconds or in the source's own unit."""
        return self.whole("time")

    def between(self, begin: int, end: int) -> InteractionLog:
        """The rows ``begin … end - 1`` as a log of views, with the same ids."""
        parts = [
            self._intact(number).between(max(begin - start, 0), min(end, stop) - start)
            for number, (start, stop) in enumerate(pairwise(self._starts))
            if start < end and begin < stop
        ]
        parts = parts or [self._some.between(0, 0)]
        return InteractionLog(
            parts=tuple(parts),
            categories=self.categories,
            sizes=self.sizes,
            longest_history=self.longest_history,
            context_names=self.context_names,
            names=self.names,
            history=self.history,
        )

    def as_of(self, row: int) -> InteractionLog:
        """The log with the categories that count for this row; the log itself if no categories have changed since."""
        if self.categories is None or not self.updates or self.updates[-1].row <= row:
            return self
        kept = tuple(update for update in self.updates if update.row <= row)
        return replace(self, categories=as_of(row, self.categories, self.updates), updates=kept)

    def to(self, device: torch.device) -> InteractionLog:
        """The log with its columns on ``device``; the log itself if they are there already."""
        if self._some.user.device == device:
            return self
        categories = None if self.categories is None else self.categories.to(device)
        return replace(self, parts=tuple(part.to(device) for part in self.parts), categories=categories)

    def batch(self, rows: Tensor, history_size: int) -> Batch:
        """Gather the rows at these positions (int64 [B]), with histories of at most ``history_size`` items.

        Raises:
            ConfigError: if the stream does not keep histories that long.
        """
        self.check_history(history_size)
        pieces, places = self._pieces(rows)
        batches = [part.batch(positions, history_size) for part, positions in pieces]
        batch = batches[0]
        if places is not None:
            columns = [column if column[0] is not None else () for column in zip(*batches, strict=True)]
            batch = Batch._make(torch.cat(column)[places] if column else None for column in columns)
        return batch._replace(categories=self.categories)

    def compact(self, rows: Tensor, history_size: int) -> InteractionLog:
        """The rows at these positions (int64 [n]) in this order, in memory, with only the items of their histories.

        Its batches equal those of this log; positions count within ``rows``.
        """
        pieces, places = self._pieces(rows)
        columns = Columns.concatenate([part.take(positions).compact(history_size) for part, positions in pieces])
        columns = columns if places is None else columns.take(places)
        return InteractionLog((columns,), self.categories, self.sizes, history_size)

    def check_history(self, size: int) -> None:
        """Check that histories of ``size`` items can be given.

        Raises:
            ConfigError: if the stream does not keep histories that long.
        """
        if self.longest_history is not None and size > self.longest_history:
            raise ConfigError(
                f"data.history_size is {size}, but the stream keeps {self.longest_history} items from one part to the "
                "next: lower it, or convert the stream again with a larger --carry"
            )

    def first_from(self, times: Tensor) -> Tensor:
        """The position of the first row that is not earlier than each of these times (int64 [n]), int64 [n]."""
        found = torch.zeros_like(times)
        for number, (start, stop) in enumerate(pairwise(self._starts)):
            if start == stop:
                continue
            first, last = self.time_at(start), self.time_at(stop - 1)
            within = (times > first) & (times <= last)
            found[times > last] += stop - start
            if bool(within.any()):  # read only the parts that contain one of the times
                found[within] += torch.searchsorted(self._intact(number).time, times[within])
        return found

    def time_at(self, row: int) -> int:
        """The time of a row; those of the first and the last one of a part are known without reading the part."""
        number = bisect_right(self._starts, row) - 1
        start, ends = self._starts[number], (self._starts[number], self._starts[number + 1] - 1)
        if row in ends and isinstance(self.parts, Parts):
            span = self.parts.spans[number]
            return span.first_time if row == start else span.last_time
        part = self.parts[number] if row in ends else self._intact(number)
        return int(part.time[row - start])

    def known(self, rows: int) -> tuple[int, int]:
        """The numbers of users and items in the first ``rows`` rows, with those of ``before``; larger ids are new."""
        return self._past.known(self, rows)

    def sizes_by(self, rows: int) -> Sizes:
        """The sizes that the first ``rows`` rows alone would have."""
        return self._past.sizes(self, rows)

    def moments(self, rows: int) -> Moments:
        """The mean and the spread of each number over the first ``rows`` rows; those of ``before`` do not count."""
        return self._past.moments(self, rows)

    def fingerprint(self, rows: int) -> str:
        """A digest of the first ``rows`` rows, see :func:`asmg_pl.data.fingerprint.fingerprint`."""
        return fingerprint(self, rows)

    @cached_property
    def _past(self) -> Past:
        return Past(self.landmarks, self.sizes, self.values)

    @cached_property
    def _starts(self) -> list[int]:
        counted = self.parts.spans if isinstance(self.parts, Parts) else self.parts
        return [0, *accumulate(part.rows for part in counted)]

    @property
    def _some(self) -> Columns:
        return self.parts.some() if isinstance(self.parts, Parts) else self.parts[0]

    def _intact(self, number: int) -> Columns:
        """A part, after its check."""
        if self.intact:
            self.intact[number]()
        return self.parts[number]

    def whole(self, name: str) -> Tensor:
        """A column of all parts; a view if the log has one part, otherwise a copy."""
        columns = [getattr(self._intact(number), name) for number in range(len(self.parts))]
        return columns[0] if len(columns) == 1 else torch.cat(columns)

    def _pieces(self, rows: Tensor) -> tuple[list[tuple[Columns, Tensor]], Tensor | None]:
        """Group rows by part: the parts with positions in them, and the place of each row among the groups.

        The places, int64 [B], are ``None`` if all rows are in one part.
        """
        if len(self.parts) == 1:
            return [(self._intact(0), rows)], None
        part = torch.bucketize(rows, torch.tensor(self._starts[1:-1]), right=True)
        order = part.argsort(stable=True)
        groups = rows[order].split(part.bincount(minlength=len(self.parts)).tolist())
        pieces = [
            (self._intact(number), group - start)
            for number, (start, group) in enumerate(zip(self._starts, groups, strict=False))
            if len(group)
        ]
        pieces = pieces or [(self._some, rows)]
        return pieces, torch.empty_like(order).scatter_(0, order, torch.arange(len(order))) if len(pieces) > 1 else None
