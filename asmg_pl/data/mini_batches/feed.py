"""From the stream to the device: where the columns of a pass lie while its mini-batches are gathered.

    on the CPU                the stream itself, mapped or in memory            nothing is copied but the mini-batch
    on a device               the columns of the pass's rows, and the items     uploaded once, gathered there
                              of their histories, kept while a window needs
                              them
    on a device, more rows    the stream, on the CPU                            gathered by a thread a few mini-batches
    than it may hold                                                            ahead, pinned, copied while it computes

All three give the same mini-batches, bit for bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import InteractionLog
from asmg_pl.data.mini_batches.loader import MiniBatches, gathered

#: Cuts positions, int64 [n], into the positions of each mini-batch.
Batching = Callable[[Tensor], tuple[Tensor, ...]]

#: How many mini-batches are gathered ahead.
AHEAD = 4


class Feed:
    """Gives the mini-batches of a stream on one device."""

    def __init__(
        self, log: InteractionLog, device: torch.device, history_size: int, device_rows: int | None = None
    ) -> None:
        """Upload nothing yet.

        Args:
            log: the stream, on the CPU.
            device: where mini-batches are wanted.
            history_size: the longest history, ``T``.
            device_rows: the most rows whose columns are put on a device at once, ``None`` for any number.
        """
        self.log = log
        self.device = device
        self.history_size = history_size
        self.device_rows = device_rows
        self._kept: dict[tuple[int, ...], tuple[InteractionLog, int]] = {}
        self._catalogue: tuple[int, InteractionLog, Tensor | None] | None = None

    def mini_batches(
        self,
        rows: Tensor,
        cut: Batching,
        order: Tensor | None = None,
        reads: tuple[int, ...] = (),
        period: int = 0,
        as_of: int | None = None,
    ) -> MiniBatches:
        """The mini-batches of a pass.

        Args:
            rows: the positions of the rows, int64 [n].
            cut: cuts them into mini-batches.
            order: a permutation of the positions *in* ``rows``, int64 [n]; by default they are read as they are.
            reads: the periods whose rows they are, for which the columns are kept; none if they are not to be kept.
            period: the period that the walk is in. Columns that neither this period nor the last one has read are
                dropped.
            as_of: the row whose categories count, see :meth:`~asmg_pl.data.log.InteractionLog.as_of`; by default the
                last one.
        """
        if self.device.type == "cpu":
            return MiniBatches(self.known(as_of)[0], cut(rows if order is None else rows[order]), self.history_size)
        if self.device_rows is not None and len(rows) > self.device_rows:
            return self.ahead(rows, cut, order, as_of)
        return self.resident(rows, cut, order, reads, period, as_of)

    def ahead(self, rows: Tensor, cut: Batching, order: Tensor | None = None, as_of: int | None = None) -> MiniBatches:
        """The mini-batches, gathered on the CPU and copied to the device; see :meth:`mini_batches`."""
        return GatheredAhead(self, cut(rows if order is None else rows[order]), self.known(as_of)[1])

    def resident(
        self,
        rows: Tensor,
        cut: Batching,
        order: Tensor | None = None,
        reads: tuple[int, ...] = (),
        period: int = 0,
        as_of: int | None = None,
    ) -> MiniBatches:
        """The mini-batches, gathered on the device; see :meth:`mini_batches`."""
        order = torch.arange(len(rows)) if order is None else order
        return GatheredOnDevice(lambda: self._columns(rows, reads, period, as_of), cut, order, self)

    def known(self, as_of: int | None) -> tuple[InteractionLog, Tensor | None]:
        """The stream, and on the device its catalogue, with the categories that count for a row."""
        row = len(self.log) if as_of is None else as_of
        arrived = sum(update.row <= row for update in self.log.updates)
        if self._catalogue is None or self._catalogue[0] != arrived:
            log = self.log.as_of(row)
            self._catalogue = arrived, log, None if log.categories is None else log.categories.to(self.device)
        return self._catalogue[1:]

    def _columns(self, rows: Tensor, reads: tuple[int, ...], period: int, as_of: int | None) -> InteractionLog:
        """The columns of some rows on the device."""
        self._kept = {periods: kept for periods, kept in self._kept.items() if kept[1] >= period - 1}
        if reads in self._kept:
            columns = self._kept[reads][0]
        else:
            compact = replace(self.log, categories=None).compact(rows, self.history_size)
            columns = compact.to(self.device)
        if reads:
            self._kept[reads] = columns, period
        return replace(columns, categories=self.known(as_of)[1])


class GatheredOnDevice(MiniBatches):
    """Mini-batches from columns that are uploaded when the first one is asked for."""

    def __init__(self, columns: Callable[[], InteractionLog], cut: Batching, order: Tensor, feed: Feed) -> None:
        """Say what to gather.

        Args:
            columns: gives the columns on the device.
            cut: cuts positions into mini-batches.
            order: positions in these columns, int64 [n].
            feed: what is known of stream and device.
        """
        super().__init__(feed.log, cut(order), feed.history_size)
        self.columns, self.cut, self.order, self.device = columns, cut, order, feed.device

    def __iter__(self) -> Iterator[Batch]:
        return gathered(self.columns(), self.cut(self.order.to(self.device)), self.history_size)


class GatheredAhead(MiniBatches):
    """Mini-batches that a thread gathers on the CPU while the device works on earlier ones."""

    def __init__(self, feed: Feed, rows: tuple[Tensor, ...], categories: Tensor | None) -> None:
        """Say what to gather.

        Args:
            feed: what is known of stream and device.
            rows: the row positions of each mini-batch, int64 [B].
            categories: the catalogue on the device.
        """
        super().__init__(replace(feed.log, categories=None), rows, feed.history_size)
        self.feed, self.categories = feed, categories

    def __iter__(self) -> Iterator[Batch]:
        waiting = iter(self.rows)
        with ThreadPoolExecutor(1) as thread:
            ahead = deque(thread.submit(self._gather, rows) for rows in islice(waiting, AHEAD))
            while ahead:
                batch = ahead.popleft().result()
                ahead.extend(thread.submit(self._gather, rows) for rows in islice(waiting, 1))
                there = [c.to(self.feed.device, non_blocking=True) if isinstance(c, Tensor) else c for c in batch]
                yield Batch._make(there)._replace(categories=self.categories)

    def _gather(self, rows: Tensor) -> Batch:
        batch = self.log.batch(rows, self.history_size)
        if self.feed.device.type != "cuda":
            return batch
        return Batch._make(column.pin_memory() if isinstance(column, Tensor) else column for column in batch)
