"""From a reading to mini-batches: which rows each mini-batch has, in which order, on which process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from asmg_pl.data.mini_batches.division import Division
from asmg_pl.data.mini_batches.drawing import Drawing
from asmg_pl.data.mini_batches.feed import Batching, Feed
from asmg_pl.data.mini_batches.loader import MiniBatches, SideBySide, WithNegatives, permutation
from asmg_pl.data.mini_batches.reading import Reading


@dataclass(frozen=True)
class Reader:
    """Turns readings into the mini-batches of this process.

    Orders and negatives depend on the seed and the reading's key alone. They are the same on one process and on
    several, of which each has its share of each mini-batch.

    Attributes:
        rows_of: the row positions of a period.
        batch_size: rows of a mini-batch in training, over all processes, where a reading has no size of its own.
        scoring_batch_size: rows of a mini-batch in scoring.
        accumulate: micro-batches of each process's share of a mini-batch in training.
        seed: of all orders.
        rank: the number of this process.
        ranks: how many processes there are.
    """

    rows_of: Callable[[int], range]
    batch_size: int
    scoring_batch_size: int
    accumulate: int
    seed: int
    rank: int = 0
    ranks: int = 1

    def count(self, reading: Reading) -> int:
        """How many micro-batches this process gets in a pass; mini-batches, where they are not divided further."""
        return self._mini_batches(reading) * self._micro_batches(reading)

    def rows(self, reading: Reading) -> int:
        """How many rows of one sequence a micro-batch has, over all processes; at least 1."""
        return max(1, self._size(reading) // self._micro_batches(reading))

    def read(self, reading: Reading, feed: Feed, drawing: Drawing | None) -> MiniBatches | SideBySide:
        """The mini-batches of a pass.

        Args:
            reading: the pass.
            feed: gathers the rows' columns.
            drawing: draws negatives; ``None`` if the stream's rows have none drawn.
        """
        of, cut = _Pass(self, reading, feed, drawing), self._abreast(reading)
        if reading.side_by_side:
            return SideBySide(
                [of.sequence(self._positions(period), cut, (period,), period) for period in reading.periods]
            )
        batches = self.read_one(reading, feed, drawing)
        if reading.beside is None:
            return batches
        times = -(-self._mini_batches(reading) // len(reading.beside))  # so that no mini-batch is empty
        return SideBySide([batches, of.sequence(reading.beside.repeat(times), cut, (), "beside")])

    def read_one(self, reading: Reading, feed: Feed, drawing: Drawing | None) -> MiniBatches:
        """The mini-batches of a pass over one sequence of rows; rows beside it are left out."""
        of, size = _Pass(self, reading, feed, drawing), self._size(reading)
        if reading.rows is not None:
            return of.sequence(reading.rows, lambda rows: rows.split(size))
        return of.sequence(self._positions(*reading.periods), lambda rows: rows.split(size), reading.periods)

    def division(self, reading: Reading) -> Division:
        """How the mini-batches of a pass are divided."""
        return Division(self.rank, self.ranks, self._micro_batches(reading))

    def as_of(self, period: int) -> int:
        """The row whose categories count when a period is the newest that is read: its first one.

        What arrives while a period lasts counts from the next one on. An empty period has the last row before it.
        """
        rows = self.rows_of(period)
        return max(0, min(rows.start, rows.stop - 1))

    def _abreast(self, reading: Reading) -> Batching:
        """Cuts shuffled rows into as many mini-batches as the pass has; rows beyond what these hold are left out."""
        count, size = self._mini_batches(reading), self._size(reading)
        return lambda rows: rows[: count * size].tensor_split(count)

    def _mini_batches(self, reading: Reading) -> int:
        if reading.rows is not None:
            return -(-len(reading.rows) // self._size(reading))
        periods = reading.periods[-1:] if reading.side_by_side else reading.periods
        rows = sum(len(self.rows_of(period)) for period in periods)
        # In scoring, an empty period has one mini-batch without rows, so that it gets a result.
        return max(0 if reading.training else 1, -(-rows // self._size(reading)))

    def _micro_batches(self, reading: Reading) -> int:
        return self.accumulate if reading.training else 1

    def _size(self, reading: Reading) -> int:
        return (reading.batch_size or self.batch_size) if reading.training else self.scoring_batch_size

    def _positions(self, *periods: int) -> Tensor:
        return torch.cat([torch.arange(span.start, span.stop) for span in map(self.rows_of, periods)])


@dataclass(frozen=True)
class _Pass:
    """The sequences of rows that one pass reads, one or several side by side."""

    reader: Reader
    reading: Reading
    feed: Feed
    drawing: Drawing | None

    def sequence(self, rows: Tensor, cut: Batching, periods: tuple[int, ...] = (), *key: int | str) -> MiniBatches:
        """Mini-batches of a sequence of rows, shuffled in training on whole periods, with negatives if any are drawn.

        Args:
            rows: positions, int64 [n].
            cut: cuts them into mini-batches.
            periods: the periods that they are all rows of; none if they are a choice of rows.
            key: tells the sequences of one pass apart.
        """
        reader, reading = self.reader, self.reading
        division = reader.division(reading)
        shuffled = reading.training and reading.rows is None
        order = permutation(len(rows), reader.seed, *reading.key, *key) if shuffled else None
        sizes = [len(places) for places in cut(torch.arange(len(rows)))]
        batches = self.feed.mini_batches(
            *(rows, lambda rows: division.cut(cut(rows)), order, periods, reading.period, reader.as_of(reading.newest))
        )
        if self.drawing is None or not reading.negatives:
            return division.marked(batches, sizes)
        read = (rows if order is None else rows[order])[: sum(sizes)]
        drawn = self.drawing.draw(reading, read, *key)
        batches = WithNegatives(batches, division.cut(drawn.split(sizes)))
        if division.shares == 1:
            return batches
        found = (drawn >= 0).sum(1).cpu().split(sizes)
        return division.marked(batches, [len(counts) + int(counts.sum()) for counts in found])
