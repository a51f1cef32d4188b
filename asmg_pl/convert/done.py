"""What a conversion tells of itself when it is done."""

from __future__ import annotations

from dataclasses import dataclass

from asmg_pl.data.sizes import Sizes


@dataclass(frozen=True)
class Conversion:
    """A summary of a conversion.

    Attributes:
        rows: the number of rows written now, with sampled negatives.
        left_out: the number of sound rows before ``start`` or after ``end``.
        quarantined: the number of malformed rows.
        without_negative: the number of negatives that are missing, because a user had interacted with every item that
            had appeared.
        without_category: whether categories were given and no item of the stream has one.
        without_side: ``user`` and ``item``, if features of them were given and no row has any.
        like_numbers: the context features of a new stream whose values are all numbers, and of which either there are
            many, or some are no whole numbers.
        cut_lists: the number of lists that were longer than ``list_size`` and were cut.
        list_size: the most values of a list.
        histories: whether rows have histories.
        label_mean: the share of positives among the rows written now.
        first: the earliest time written now, seconds since 1970.
        last: the latest time written now, seconds since 1970.
        stream_rows: the number of rows of the whole stream.
        sizes: the numbers of users, items, categories and context values of the whole stream.
        filtered: the number of rows that do not fulfil the conditions of ``where``.
        never: the positive kinds of events that no row has.
        late: the number of late rows that were left out.
        dropped: the number of these late rows that ``quarantine.csv`` does not list.
        entered_late: the number of late rows that were written, with the time of the stream's end.
        not_compared: the number of these that are too old to tell whether the stream has them.
        repeated: the number of repeated rows that were left out, without those of whole files.
        passed_over: the number of files that were left out, since the stream had taken them before.
        recategorised: the number of earlier items whose categories change with these rows.
        only_positives: whether no row of the whole stream has label 0, so that a walk needs negatives.
        parts: the number of the stream's parts.
    """

    rows: int
    left_out: int
    quarantined: int
    without_negative: int
    without_category: bool
    label_mean: float
    first: int
    last: int
    stream_rows: int
    sizes: Sizes
    filtered: int = 0
    never: tuple[str, ...] = ()
    late: int = 0
    dropped: int = 0
    entered_late: int = 0
    not_compared: int = 0
    repeated: int = 0
    passed_over: int = 0
    recategorised: int = 0
    only_positives: bool = False
    parts: int = 1
    without_side: tuple[str, ...] = ()
    like_numbers: tuple[str, ...] = ()
    cut_lists: int = 0
    list_size: int = 0
    histories: bool = True
