"""Mini-batches of a pass over the stream, and the random order in which their rows are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from asmg_pl.data.batch import Batch, RankShare
from asmg_pl.data.log import InteractionLog
from asmg_pl.data.negatives import beside
from asmg_pl.randomness.keyed import seed_of

#: How many rows are gathered at once for small mini-batches, and handed over in one bundle.
AT_ONCE = 8192


def randomness(*key: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of random numbers, on a device, that depends on ``key`` alone.

    Being stateless, it is the same after a resume, however often it was asked for.
    """
    return torch.Generator(device).manual_seed(seed_of(*key))


def permutation(rows: int, *key: int | str) -> Tensor:
    """A random order of ``rows`` rows that depends on ``key`` alone, int64 [rows] on the CPU."""
    return torch.randperm(rows, generator=randomness(*key))


class MiniBatches:
    """An iterable over the mini-batches of one sequence of rows."""

    def __init__(self, log: InteractionLog, rows: Sequence[Tensor], history_size: int) -> None:
        """Name the rows of each mini-batch.

        Args:
            log: the stream, its columns on the device where batches are wanted.
            rows: the row positions of each mini-batch, int64 [B], on the same device.
            history_size: the longest history, ``T``.
        """
        self.log = log
        self.rows = rows
        self.history_size = history_size

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Batch]:
        return gathered(self.log, self.rows, self.history_size)


def gathered(log: InteractionLog, rows: Sequence[Tensor], history_size: int) -> Iterator[Batch]:
    """Mini-batches, whose rows are gathered for several of them at once: a small one costs more calls than work.

    Args:
        log: the stream, its columns on the device where batches are wanted.
        rows: the row positions of each mini-batch, int64 [B], on the same device.
        history_size: the longest history, ``T``.
    """
    waiting: list[Tensor] = []
    count = 0
    for number, positions in enumerate(rows, 1):
        waiting.append(positions)
        count += len(positions)
        if number == len(rows) or count + len(rows[number]) > AT_ONCE:
            if len(waiting) == 1:
                yield log.batch(positions, history_size)
            else:
                yield from log.batch(torch.cat(waiting), history_size).split([len(each) for each in waiting])
            waiting.clear()
            count = 0


def steps_in(given: Any) -> list[Any]:
    """The mini-batches that a trainer is given together: those of a bundle, or one."""
    return given if isinstance(given, list) else [given]


class Bundles:
    """Mini-batches that are handed over several at a time, as lists: what a trainer does around each is done seldom."""

    def __init__(self, steps: MiniBatches | SideBySide, size: int) -> None:
        """Bundle mini-batches.

        Args:
            steps: the mini-batches, or tuples of them.
            size: how many are handed over at a time; the last ones may be fewer.
        """
        self.steps, self.size = steps, size

    def __len__(self) -> int:
        return -(-len(self.steps) // self.size)

    def __iter__(self) -> Iterator[list[Batch | tuple[Batch, ...]]]:
        steps: Iterator[Batch | tuple[Batch, ...]] = iter(self.steps)
        while bundle := list(islice(steps, self.size)):
            yield bundle


class WithNegatives(MiniBatches):
    """Mini-batches of positives, each with its negatives."""

    def __init__(self, positives: MiniBatches, drawn: Sequence[Tensor]) -> None:
        """Name the negatives of each mini-batch.

        Args:
            positives: the mini-batches.
            drawn: items to stand beside the rows of each, int64 [B, N], see
                :func:`~asmg_pl.data.negatives.beside`.
        """
        super().__init__(positives.log, positives.rows, positives.history_size)
        self.positives = positives
        self.drawn = drawn

    def __iter__(self) -> Iterator[Batch]:
        return map(beside, self.positives, self.drawn)


class RankShares(MiniBatches):
    """A process's shares of mini-batches, each told how large the whole mini-batch is."""

    def __init__(self, own: MiniBatches, totals: Sequence[int], shares: int) -> None:
        """Name the mini-batches that are shared.

        Args:
            own: the process's rows of each mini-batch.
            totals: how many rows each mini-batch has, over all processes.
            shares: how many shares each mini-batch has.
        """
        super().__init__(own.log, own.rows, own.history_size)
        self.own = own
        self.shares = [RankShare(total, shares) for total in totals]

    def __iter__(self) -> Iterator[Batch]:
        for batch, share in zip(self.own, self.shares, strict=True):
            yield batch._replace(share=share)


class ByPeriod:
    """The mini-batches of several periods one after the other, each with its period's number."""

    def __init__(self, periods: Mapping[int, MiniBatches]) -> None:
        """Chain periods.

        Args:
            periods: the mini-batches of each period.
        """
        self.periods = periods

    def __len__(self) -> int:
        return sum(map(len, self.periods.values()))

    def __iter__(self) -> Iterator[tuple[int, Batch]]:
        for period, batches in self.periods.items():
            for batch in batches:
                yield period, batch


class SideBySide:
    """Mini-batches of several sequences of rows, one of each at a time: a tuple of batches."""

    def __init__(self, sequences: list[MiniBatches]) -> None:
        """Zip sequences.

        Args:
            sequences: the mini-batches of each; the shortest ends the pass.
        """
        self.sequences = sequences

    def __len__(self) -> int:
        return min(map(len, self.sequences))

    def __iter__(self) -> Iterator[tuple[Batch, ...]]:
        return zip(*self.sequences, strict=False)
