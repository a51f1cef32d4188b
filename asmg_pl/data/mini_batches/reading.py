"""A reading: which rows one pass goes over, and how they become mini-batches."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Reading:
    """What one pass over the stream reads. The data module turns it into mini-batches.

    In training, rows are shuffled and mini-batches have ``data.batch_size`` rows, or ``batch_size`` if the reading has
    its own. Otherwise rows keep the order of the stream and mini-batches have ``data.scoring_batch_size`` rows.

    Attributes:
        name: what the pass is for, e.g. ``"score"``, shown in the progress bar.
        period: the period whose arrival the pass belongs to.
        periods: the periods whose rows are read. If ``rows`` are given, the periods that these may come from.
        repeat: the number of the pass, from 0, if several go over the same rows. Each of them shuffles anew.
        training: whether the rows are read to train on them.
        side_by_side: whether one mini-batch of *each* period is read at a time, instead of all rows in one sequence.
            There are as many mini-batches as the newest period fills. Of an older period that is longer, a random
            choice of rows is read.
        rows: positions of rows to read instead of whole periods, in this order, int64 [n].
        beside: positions of rows to read, shuffled, beside the rows of the periods, int64 [n], n ≥ 1: a mini-batch of
            either at a time. Each of these rows is read once or, if there are fewer of them than mini-batches, equally
            often. Of more rows than the mini-batches hold, a random choice is read.
        negatives: whether each row comes with the negatives that are drawn for it, if the stream has any.
        batch_size: rows of a mini-batch in training, on all devices together, instead of ``data.batch_size``.
        turn: whose turn it is, from 0, if several settings race in the period. Each of them reads the same rows in the
            same order, if their mini-batches are equally large.

    Examples:
        >>> reading = Reading("update", period=14, periods=(12, 13, 14))  # three periods, shuffled together
        >>> reading.key, reading.newest
        (('update', 14, 0), 14)
    """

    name: str
    period: int
    periods: tuple[int, ...]
    repeat: int = 0
    training: bool = True
    side_by_side: bool = False
    rows: Tensor | None = None
    beside: Tensor | None = None
    negatives: bool = True
    batch_size: int | None = None
    turn: int = 0

    @property
    def key(self) -> tuple[str, int, int]:
        """What tells this pass from all others of a walk. All that is random in the pass depends on it alone."""
        return self.name, self.period, self.repeat

    @property
    def newest(self) -> int:
        """The newest period that is read."""
        return max(self.periods, default=self.period)
