"""Cutting time: where one period of the stream ends and the next begins.

Periods are numbered from 1. With boundaries ``[b_0, b_1, …, b_P]``, period ``t`` holds rows ``b_{t-1} … b_t - 1``. The
classes here cut by numbers of rows. The classes of :mod:`asmg_pl.data.cutting.calendar` cut by the clock, so that a
period may have no rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from asmg_pl.data.log import InteractionLog
from asmg_pl.errors import ConfigError


class Periods(ABC):
    """A rule that cuts a log into periods.

    Attributes:
        said_complete: whether a period may be complete because the user says so, and not because of later rows. The
            same rows are then cut again when a walk goes on.

    Examples:
        One that doubles the rows from period to period:

        >>> class Doubling(Periods):
        ...     def cut(self, log, known=()):
        ...         return [0] + [2**power for power in range(1, len(log).bit_length())]
        >>> from asmg_pl.data.sources import DriftingStream
        >>> Doubling().cut(DriftingStream(rows=100).read(None))
        [0, 2, 4, 8, 16, 32, 64]
    """

    said_complete: bool = False

    @abstractmethod
    def cut(self, log: InteractionLog, known: Sequence[int] = ()) -> list[int]:
        """Return the boundaries ``[b_0, …, b_P]`` as row positions.

        Args:
            log: the stream, sorted by time.
            known: the boundaries of an earlier walk over this stream, which has grown since. They stay, and the rows
                after them are cut into further periods.
        """

    def awaited(self, log: InteractionLog, boundaries: Sequence[int]) -> str:
        """Say what the rows after the last period wait for, as the end of a sentence like "20 rows since … wait …".

        Args:
            log: the stream.
            boundaries: the result of :meth:`cut`; at least one row comes after the last one.
        """
        return "for their period to be complete"


class EqualCounts(Periods):
    """A fixed number of periods with equally many rows. The remaining rows wait at the end, as in the ASMG paper.

    Examples:
        >>> from asmg_pl.data.sources import DriftingStream
        >>> EqualCounts(3).cut(DriftingStream(rows=100).read(None))  # the last row waits
        [0, 33, 66, 99]
    """

    def __init__(self, count: int = 31) -> None:
        """Cut into equal counts.

        Args:
            count: number of periods. When a stream has grown since an earlier walk, its periods keep their size, and
                there are more of them.
        """
        if count < 1:
            raise ConfigError(f"periods.count must be at least 1, got {count}")
        self.count = count

    def cut(self, log: InteractionLog, known: Sequence[int] = ()) -> list[int]:
        """See :meth:`Periods.cut`; raises :class:`ConfigError` if there are fewer rows than periods."""
        if known:
            rows = known[1] - known[0]
            return list(known) + list(range(known[-1] + rows, len(log) + 1, rows))
        rows = len(log) // self.count
        if rows < 1:
            raise ConfigError(f"{len(log)} rows cannot be cut into {self.count} periods: lower data.periods.count")
        return [rows * period for period in range(self.count + 1)]

    def awaited(self, log: InteractionLog, boundaries: Sequence[int]) -> str:
        """See :meth:`Periods.awaited`."""
        return f"for later rows, to fill a period of {boundaries[1] - boundaries[0]:,}"


class EqualRows(Periods):
    """Periods of a fixed number of rows. The rows after the last full period wait at the end.

    Examples:
        >>> from asmg_pl.data.sources import DriftingStream
        >>> EqualRows(40).cut(DriftingStream(rows=100).read(None))  # 20 rows wait until 20 more are there
        [0, 40, 80]
    """

    def __init__(self, rows: int) -> None:
        """Cut into equal rows.

        Args:
            rows: rows of each period.
        """
        if rows < 1:
            raise ConfigError(f"periods.rows must be at least 1, got {rows}")
        self.rows = rows

    def cut(self, log: InteractionLog, known: Sequence[int] = ()) -> list[int]:
        """See :meth:`Periods.cut`; raises :class:`ConfigError` if not one period is full."""
        if len(log) < self.rows and not known:
            raise ConfigError(f"{len(log)} rows do not fill one period of {self.rows}: lower data.periods.rows")
        kept = list(known) or [0]
        return kept + list(range(kept[-1] + self.rows, len(log) + 1, self.rows))

    def awaited(self, log: InteractionLog, boundaries: Sequence[int]) -> str:
        """See :meth:`Periods.awaited`."""
        return f"for later rows, to fill a period of {self.rows:,} (data.periods.rows)"
