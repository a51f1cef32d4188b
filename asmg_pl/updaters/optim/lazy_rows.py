"""Rows of a table, each of which stands at the step up to which it has moved.

step           0   1   2   3   4   5
row 0          ●───────────▲───●          touched in the steps 3 and 4
row 1          ●───▲                      touched in step 1: its values are those after step 1, until it catches up

The distinct rows of a mini-batch, the steps that they have missed and the one that they take are computed in C++ where
there is a compiler (``idle_rows.cpp``), else by plain operations, on any device.
"""

from __future__ import annotations

import ctypes
import math
from array import array
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from asmg_pl.recommenders.kernels import distinct as kernel
from asmg_pl.recommenders.touched import chunks
from asmg_pl.system.compiled import library_or_none, share_out
from asmg_pl.updaters.optim.idle_steps import IdleSums

#: Rows that catch up at a time where plain operations compute it.
CHUNK = 65536


class LazyRows:
    """A table with its moments, by plain operations.

    Attributes:
        now: the number of steps that the table has taken.
        rate: the learning rate of the steps that rows have missed.
        last: the step up to which each row has moved, int32 [N].

    Examples:
        >>> table, mean, square = torch.zeros(3, 2), torch.ones(3, 2), torch.ones(3, 2)
        >>> rows = LazyRows(table, mean, square, IdleSums((0.9, 0.999)), epsilon=1e-8, now=5, rate=0.1)
        >>> rows.step(torch.tensor([1]), torch.ones(1, 2), rate=0.1)
        >>> rows.last, table[0]
        (tensor([5, 6, 5], dtype=torch.int32), tensor([0., 0.]))
        >>> rows.catch_up()
        >>> bool((table[0] < 0).all())
        True
    """

    def __init__(
        self, table: Tensor, mean: Tensor, square: Tensor, sums: IdleSums, epsilon: float, now: int, rate: float
    ) -> None:
        """Begin where all rows have moved up to the same step. The tensors are changed in place.

        Args:
            table: float [N, D].
            mean: Adam's first moment, of its shape.
            square: Adam's second moment.
            sums: of the steps without a gradient.
            epsilon: ε̂.
            now: the number of steps taken.
            rate: the learning rate.
        """
        self._table, self._mean, self._square = table, mean, square
        self._sums, self._epsilon = sums, epsilon
        self.now, self.rate = now, rate
        self.last = torch.full((len(table),), now, dtype=torch.int32, device=table.device)

    @torch.no_grad()
    def read(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rows that have caught up.

        Args:
            ids: the rows, int64 of any shape, a row any number of times.

        Returns:
            The distinct rows, int64 [n] ascending; their vectors, float [n, D]; and the place of each id among them,
            int64 of the ids' shape. The last row may stand there several times, so that n need not be found: a device
            would have to be waited for. The places are those where a row stands first.
        """
        ordered, order = ids.flatten().long().sort()
        number = torch.cat([ordered.new_zeros(len(ordered[:1])), (ordered[1:] != ordered[:-1]).cumsum(0)])
        places = torch.empty_like(order).scatter_(0, order, number)
        rows = ordered[-1:].repeat(len(ordered)).scatter_(0, number, ordered)
        self._advance(rows)
        return rows, self._table.index_select(0, rows), places.view_as(ids)

    @torch.no_grad()
    def catch_up(self) -> None:
        """Let all rows take the steps that they have missed."""
        for rows in chunks(0, len(self.last), CHUNK, self.last.device):
            self._advance(rows)

    @torch.no_grad()
    def step(self, rows: Tensor, slopes: Tensor, rate: float) -> None:
        """Take a step, in which some rows have a gradient.

        Args:
            rows: the rows, int64 [n] ascending.
            slopes: their gradient, float [n, D]; 0 where a row stands again.
            rate: the learning rate. If it is another one than before, all rows catch up first.
        """
        if rate != self.rate:
            self.catch_up()
            self.rate = rate
        self._step(rows, slopes)
        self.now += 1

    def _advance(self, rows: Tensor) -> None:
        beta, beta_square = self._sums.betas
        since = self.last.index_select(0, rows)
        idle = (self.now - since).double()[:, None]
        factors = self.rate * self._sums.between(since, self.now)  # [n, P]
        mean, square = self._mean.index_select(0, rows).double(), self._square.index_select(0, rows).double()
        root = square.sqrt()
        share = root / (root + self._epsilon)
        total = torch.zeros_like(root)
        for factor in factors.unbind(1)[::-1]:
            total = total * share + factor[:, None]
        value = self._table.index_select(0, rows) - mean / (root + self._epsilon) * total
        decays = torch.exp(idle * math.log(beta)), torch.exp(idle * math.log(beta_square))
        for state, moved in zip(self._states(), (value, mean * decays[0], square * decays[1]), strict=True):
            state.index_copy_(0, rows, moved.to(state.dtype))
        self.last.index_fill_(0, rows, self.now)

    def _step(self, rows: Tensor, slopes: Tensor) -> None:
        self._advance(rows)
        beta, beta_square = self._sums.betas
        slopes = slopes.index_select(0, _first_of_each(rows))
        mean = self._mean.index_select(0, rows).lerp_(slopes, 1 - beta)
        square = self._square.index_select(0, rows).lerp_(slopes * slopes, 1 - beta_square)
        correction = (1 - beta_square ** (self.now + 1)) ** 0.5 / (1 - beta ** (self.now + 1))
        move = mean / square.sqrt().add_(self._epsilon)
        value = self._table.index_select(0, rows).sub_(move, alpha=self.rate * correction)
        for state, moved in zip(self._states(), (value, mean, square), strict=True):
            state.index_copy_(0, rows, moved)
        self.last.index_fill_(0, rows, self.now + 1)

    def _states(self) -> tuple[Tensor, Tensor, Tensor]:
        return self._table, self._mean, self._square


def _first_of_each(rows: Tensor) -> Tensor:
    """For each of some ascending rows, the place at which the row stands first, int64 [n]."""
    places = torch.arange(len(rows), device=rows.device)
    places[1:].mul_(rows[1:] != rows[:-1])
    return places.cummax(0).values


class _Table(ctypes.Structure):
    """What ``idle_rows.cpp`` is told of a table."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("width", "now", "horizon", "powers_known")),
        *((name, ctypes.c_double) for name in ("rate", "epsilon", "log_beta", "log_beta_square")),
        *((name, ctypes.c_void_p) for name in ("sums", "powers", "last", "values", "mean", "square")),
    ]


class NativeLazyRows(LazyRows):
    """The same in C++, for tables of float32 on the CPU."""

    def __init__(
        self, table: Tensor, mean: Tensor, square: Tensor, sums: IdleSums, epsilon: float, now: int, rate: float
    ) -> None:
        """Begin, see :class:`LazyRows`; :func:`is_native` must be true."""
        super().__init__(table, mean, square, sums, epsilon, now, rate)
        native = _library(sums.terms)
        assert native is not None, "see is_native"
        self._native, self._length = native, len(table)
        self._newest: tuple[Tensor, Tensor, Tensor, Tensor] | None = None  # ids, and what was read for them
        self._kept = sums.until(now)  # which stay in memory while the kernel may read them
        logs = (math.log(beta) for beta in sums.betas)
        for large in (self.last, table, mean, square):
            self._native.in_huge_pages(large.nbytes, large.data_ptr())
        places = (each.data_ptr() for each in (sums.powers, self.last, table, mean, square))
        self._known = _Table(table.shape[1], -1, sums.horizon, len(sums.powers), rate, epsilon, *logs, 0, *places)
        self._told = ctypes.addressof(self._known)

    def read(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :meth:`LazyRows.read`. Before the next step, the same ids cost nothing."""
        if self._newest is None or self._newest[0] is not ids:
            self.read_together([(self, ids)])
            assert self._newest is not None
        return self._newest[1:]

    @staticmethod
    @torch.no_grad()
    def read_together(asked: Iterable[tuple[NativeLazyRows, Tensor]]) -> None:
        """Let the rows of several tables catch up, so that :meth:`read` has them at hand.

        The distinct ones among ids that are asked of tables of one length are found once.

        Args:
            asked: tables, and the ids of each, see :meth:`LazyRows.read`.
        """
        new = [(table, ids) for table, ids in asked if table._newest is None or table._newest[0] is not ids]
        if not new:
            return
        first = {(id(ids), table._length): (ids, table._length) for table, ids in new}
        found = kernel.distinct([*first.values()])
        if found is None:
            raise IndexError("an id of the mini-batch is not in its table")
        by_ids, parts = dict(zip(first, found, strict=True)), []
        for table, ids in new:
            rows, places = by_ids[id(ids), table._length]
            vectors = torch.empty(rows.shape[0], table._known.width)
            table._newest = ids, rows, vectors, places
            parts.append((table, rows, vectors))
        NativeLazyRows._go_over("advance", parts)

    def catch_up(self) -> None:
        """See :meth:`LazyRows.catch_up`."""
        known, native = self._up_to_date(), self._native
        share_out(lambda number, first, last: native.advance_all(first, last, known), len(self.last))
        self._newest = None

    def step(self, rows: Tensor, slopes: Tensor, rate: float) -> None:
        """See :meth:`LazyRows.step`."""
        self.step_together([(self, rows, slopes, rate)])

    @staticmethod
    @torch.no_grad()
    def step_together(moves: Sequence[tuple[NativeLazyRows, Tensor, Tensor, float]]) -> None:
        """Take a step of several tables.

        Args:
            moves: tables, each with its rows, their slopes and its rate, see :meth:`LazyRows.step`.
        """
        for table, _, _, rate in moves:
            if rate != table.rate:
                table.catch_up()
                table.rate = rate
            table._newest = None
        NativeLazyRows._go_over("step", [(t, rows.contiguous(), slopes.contiguous()) for t, rows, slopes, _ in moves])
        for table, *_ in moves:
            table.now += 1

    def _up_to_date(self) -> int:
        """The address of what the kernel is told of the table."""
        known = self._known
        if known.now != self.now or known.rate != self.rate:
            self._kept = self._sums.until(self.now)
            known.now, known.rate, known.sums = self.now, self.rate, self._kept.data_ptr()
        return self._told

    @staticmethod
    def _go_over(what: str, parts: Sequence[tuple[NativeLazyRows, Tensor, Tensor]]) -> None:
        """Call a function of the kernel for tables with some rows and their numbers; threads share all of the rows."""
        some, end = array("q"), 0
        for table, rows, numbers in parts:
            begin, end = end, end + rows.shape[0]
            some.extend((table._up_to_date(), begin, end, rows.data_ptr(), numbers.data_ptr()))
        if end:
            call, told = getattr(parts[0][0]._native, what), some.buffer_info()[0]
            share_out(lambda number, first, last: call(first, last, len(parts), told), end)


@cache
def _library(terms: int) -> ctypes.CDLL | None:
    found = library_or_none(Path(__file__).with_name("idle_rows.cpp"), TERMS=terms)
    if found is None:
        return None
    whole, place = ctypes.c_int64, ctypes.c_void_p
    found.in_huge_pages.argtypes, found.in_huge_pages.restype = [whole, place], None
    found.advance_all.argtypes, found.advance_all.restype = [whole, whole, place], None
    found.advance.argtypes, found.advance.restype = [whole, whole, whole, place], None
    found.step.argtypes, found.step.restype = [whole, whole, whole, place], None
    return found


def is_native(table: Tensor, sums: IdleSums) -> bool:
    """Whether C++ computes the rows of a table."""
    of_kind = table.device.type == "cpu" and table.dtype == torch.float32 and table.is_contiguous()
    return of_kind and table.shape[0] < kernel.MOST_ROWS and _library(sums.terms) is not None
