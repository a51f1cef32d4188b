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
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from asmg_pl.generators.kernels.compiled import library, share_out
from asmg_pl.updaters.idle_steps import IdleSums

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
            int64 of the ids' shape.
        """
        rows, places = ids.unique(return_inverse=True)
        self._catch_up(rows)
        return rows, self._table.index_select(0, rows), places

    @torch.no_grad()
    def catch_up(self) -> None:
        """Let all rows take the steps that they have missed."""
        self._catch_up(torch.arange(len(self.last), device=self.last.device))

    @torch.no_grad()
    def step(self, rows: Tensor, slopes: Tensor, rate: float) -> None:
        """Take a step, in which some rows have a gradient.

        Args:
            rows: the distinct rows, int64 [n].
            slopes: their gradient, float [n, D].
            rate: the learning rate. If it is another one than before, all rows catch up first.
        """
        if rate != self.rate:
            self.catch_up()
            self.rate = rate
        self._step(rows, slopes)
        self.now += 1

    def _catch_up(self, rows: Tensor) -> None:
        for part in rows[self.last[rows] < self.now].split(CHUNK):
            self._advance(part)

    def _advance(self, rows: Tensor) -> None:
        beta, beta_square = self._sums.betas
        idle = (self.now - self.last[rows]).double()[:, None]
        factors = self.rate * self._sums.between(self.last[rows], self.now)  # [n, P]
        mean, square = self._mean[rows].double(), self._square[rows].double()
        root = square.sqrt()
        share = root / (root + self._epsilon)
        total = torch.zeros_like(root)
        for factor in factors.unbind(1)[::-1]:
            total = total * share + factor[:, None]
        self._table[rows] = (self._table[rows] - mean / (root + self._epsilon) * total).to(self._table.dtype)
        self._mean[rows] = (mean * torch.exp(idle * math.log(beta))).to(self._mean.dtype)
        self._square[rows] = (square * torch.exp(idle * math.log(beta_square))).to(self._square.dtype)
        self.last[rows] = self.now

    def _step(self, rows: Tensor, slopes: Tensor) -> None:
        self._catch_up(rows)
        beta, beta_square = self._sums.betas
        mean = self._mean.index_select(0, rows).lerp_(slopes, 1 - beta)
        square = self._square.index_select(0, rows).lerp_(slopes * slopes, 1 - beta_square)
        self._mean.index_copy_(0, rows, mean)
        self._square.index_copy_(0, rows, square)
        correction = (1 - beta_square ** (self.now + 1)) ** 0.5 / (1 - beta ** (self.now + 1))
        self._table.index_add_(0, rows, mean / square.sqrt_().add_(self._epsilon), alpha=-self.rate * correction)
        self.last[rows] = self.now + 1


class _Table(ctypes.Structure):
    """What ``idle_rows.cpp`` is told of a table."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("width", "now", "horizon", "powers_known")),
        *((name, ctypes.c_double) for name in ("rate", "epsilon", "log_beta", "log_beta_square")),
        *((name, ctypes.c_void_p) for name in ("sums", "powers", "marks", "values", "mean", "square")),
    ]


class NativeLazyRows(LazyRows):
    """The same in C++, for tables of float32 on the CPU."""

    def __init__(
        self, table: Tensor, mean: Tensor, square: Tensor, sums: IdleSums, epsilon: float, now: int, rate: float
    ) -> None:
        """Begin, see :class:`LazyRows`.

        Raises:
            OSError: if the kernel cannot be compiled.
        """
        super().__init__(table, mean, square, sums, epsilon, now, rate)
        self._native = _library(sums.terms)
        self._marks = torch.zeros(len(table), 2, dtype=torch.int32)  # the last step of each row, and a place
        self.last = self._marks[:, 0].copy_(self.last)
        self._newest: tuple[Tensor, Tensor, Tensor, Tensor] | None = None  # ids, and what was read for them
        logs = (math.log(beta) for beta in sums.betas)
        for large in (self._marks, table, mean, square):
            self._native.in_huge_pages(large.nbytes, large.data_ptr())
        places = (each.data_ptr() for each in (sums.powers, self._marks, table, mean, square))
        self._known = _Table(table.shape[1], now, sums.horizon, len(sums.powers), rate, epsilon, *logs, 0, *places)

    def read(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :meth:`LazyRows.read`. Before the next step, the same ids cost nothing."""
        if self._newest is None or self._newest[0] is not ids:
            given = ids.contiguous()
            rows, places = torch.empty(given.numel(), dtype=torch.int64), torch.empty_like(given)
            found = self._native.distinct(
                *(given.numel(), given.data_ptr(), self._marks.data_ptr(), rows.data_ptr(), places.data_ptr())
            )
            vectors = torch.empty(found, self._known.width)
            self._share_out(self._native.advance, found, rows.data_ptr(), vectors.data_ptr())
            self._newest = ids, rows[:found], vectors, places
        return self._newest[1:]

    def catch_up(self) -> None:
        """See :meth:`LazyRows.catch_up`."""
        self._share_out(self._native.advance, len(self.last), None, None)
        self._newest = None

    def _step(self, rows: Tensor, slopes: Tensor) -> None:
        self._newest = None
        rows, slopes = rows.contiguous(), slopes.contiguous()
        self._share_out(self._native.step, len(rows), rows.data_ptr(), slopes.data_ptr())

    def _share_out(self, call: Callable[..., None], rows: int, *places: int | None) -> None:
        """Call a function of the kernel for shares of the rows, each of which is by itself."""
        self._known.now, self._known.rate = self.now, self.rate
        self._known.sums = self._sums.until(self.now).data_ptr()
        known = ctypes.byref(self._known)
        share_out(lambda number, first, last: call(first, last, known, *places), rows)


@cache
def _library(terms: int) -> ctypes.CDLL:
    found = library("idle_rows", TERMS=terms)
    whole, place = ctypes.c_int64, ctypes.c_void_p
    found.in_huge_pages.argtypes, found.in_huge_pages.restype = [whole, place], None
    found.distinct.argtypes, found.distinct.restype = [whole, place, place, place, place], whole
    found.advance.argtypes, found.advance.restype = [whole, whole, place, place, place], None
    found.step.argtypes, found.step.restype = [whole, whole, place, place, place], None
    return found


def is_native(table: Tensor, sums: IdleSums) -> bool:
    """Whether C++ computes the rows of a table."""
    if table.device.type != "cpu" or table.dtype != torch.float32 or not table.is_contiguous():
        return False
    try:
        _library(sums.terms)
    except OSError:
        return False
    return True
