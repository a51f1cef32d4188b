"""Cutting time by the clock: periods of the calendar, and between given times. Times are seconds since 1970.

    rows      · ··  ·   ·· ·      ·     · ·· ·
calendar   │ Mon    │ Tue    │ Wed    │ Thu    │ Fri       a period may be empty
"""

from __future__ import annotations

import math
import re
import shlex
import time
from collections.abc import Sequence
from functools import cached_property

import polars as pl
import torch

from asmg_pl.data.cutting.clock import moments, on_clock, seconds_of, spelled, within_a_day
from asmg_pl.data.cutting.continuing import Late, continued
from asmg_pl.data.cutting.periods import Periods
from asmg_pl.data.log import InteractionLog
from asmg_pl.errors import ConfigError

#: The most periods; only a stream whose times are not in seconds has more.
MOST = 1_000_000
_LATEST = 253_402_300_799  # the end of the year 9999
_HOUR = 3600
_NAMES = {"d": "day", "h": "hour", "m": "minute", "w": "week", "mo": "month", "q": "quarter", "y": "year"}


class Calendar(Periods):
    """Hours, days, weeks and so on, by the clock of a time zone.

    Days are days of the zone, which have 23 or 25 hours when the clock changes. Periods of hours that divide a day
    begin at the same hours every day: periods of 6h begin at 0, 6, 12 and 18 o'clock. The period in which the clock
    changes is longer or shorter; an hour that the clock shows twice counts twice. A day that the clock leaves out is no
    period. Periods of other lengths, such as 5h or 36h, are all equally long. Periods end with the calendar, so that a
    growing stream is cut further in the same way. The period in which the stream ends waits, since more of its rows may
    come: until a later row shows that it is over, or until the user says so with ``complete_until``.

    Examples:
        >>> hours = [0, 5, 23, 24, 50, 71, 72]
        >>> rows = pl.DataFrame({"user": hours, "item": hours, "label": [1] * 7, "time": hours})
        >>> log = InteractionLog.from_frame(rows.with_columns(pl.col("time") * 3600))

        >>> Calendar("1d").cut(log)  # three days with 3, 1 and 2 rows; the fourth waits for its end
        [0, 3, 4, 6]
        >>> Calendar("1d", time_zone="Asia/Tokyo").cut(log)  # days begin nine hours earlier
        [0, 2, 4, 5]
        >>> Calendar("1d", complete_until="1970-01-05").cut(log)  # the fourth day is complete: no more rows will come
        [0, 3, 4, 6, 7]
    """

    def __init__(
        self,
        every: str = "1d",
        time_zone: str = "UTC",
        include_last: bool = False,
        complete_until: str | int | None = None,
        late: Late = "refuse",
    ) -> None:
        """Choose the calendar.

        Args:
            every: the length of a period, a number and a unit: m (minutes), h, d, w (from Monday), mo, q or y.
            time_zone: the time zone of the clock, as in ``Europe/Oslo``.
            include_last: whether the period in which the stream ends is walked whenever that is, for a stream that gets
                no more rows.
            complete_until: the moment up to which the stream has all rows: a period that ends by then is walked without
                waiting for a later row. ``2024-04-20`` (the midnight with which that day begins, so that 2024-04-19 is
                complete), ``2024-04-20 18:00``, seconds since 1970, or ``now``: what is over by this machine's clock is
                complete. By default the period in which the stream ends waits for a later row.
            late: the treatment of rows of a period that come after the period was walked as complete. refuse: the walk
                does not go on. next: they count in the next period, so that no walked period changes.

        Raises:
            ConfigError: if the length, the time zone or the moment does not exist, or two options contradict each
                other.
        """
        self.every = every
        self.time_zone = time_zone
        self.include_last = include_last
        self.complete_until = complete_until
        self.late: Late = late
        self.said_complete = include_last or complete_until is not None
        if re.search(r"[mun]s|i", every):
            raise ConfigError(
                f"data.periods cannot cut by {every!r}: times are whole seconds, give a length like 6h or 1d"
            )
        if not _begins(0, 0, every, time_zone):
            raise ConfigError(f"periods.every must be longer than nothing, got {every!r}: give 1d or 6h, for example")
        if include_last and complete_until is not None:
            raise ConfigError(
                "periods.include_last takes every period as complete, and periods.complete_until only some: give one"
            )
        if complete_until not in (None, "now"):
            seconds_of(complete_until, time_zone, "periods.complete_until")

    def cut(self, log: InteractionLog, known: Sequence[int] = ()) -> list[int]:
        """See :meth:`Periods.cut`.

        Raises:
            ConfigError: if not one period is complete, there are too many, the stream's times are no seconds since
                1970, an earlier walk was cut otherwise, or a period that it walked has more rows by now.
        """
        first, last = _span(log)
        begun = len(_begins(first, last, self.every, self.time_zone))
        ends = self._boundaries(first, last, max(len(known), begun) + 1)
        positions = [int(position) for position in log.first_from(torch.tensor(ends))]
        kept = continued(positions, known, self.late, log)
        for end, position in zip(ends[len(kept) :], positions[len(kept) :], strict=True):
            # Beyond the stream's end, only a period with rows is walked: the empty ones after it may still get some.
            if end > last and (end > self._complete or position == kept[-1]):
                break
            kept.append(position)
        if len(kept) < 2:
            raise ConfigError(
                f"the stream ends within its first period of {self.every}: cut finer (data.periods.every), or say that "
                f"it is complete, with data.periods.complete_until {self._given(ends[-1])}"
            )
        return kept

    def awaited(self, log: InteractionLog, boundaries: Sequence[int]) -> str:
        """See :meth:`Periods.awaited`."""
        first, last = _span(log)
        begun = len(_begins(first, last, self.every, self.time_zone))
        end = self._boundaries(first, last, max(len(boundaries), begun) + 1)[max(len(boundaries), begun)]
        count, unit = re.fullmatch(r"(\d*)(.*)", self.every).groups()  # type: ignore[union-attr]
        period = _NAMES[unit] if count == "1" and unit in _NAMES else f"period of {self.every}"
        return (
            f"for the {period} to end, with a row from {on_clock(end, self.time_zone)} {self.time_zone} on; if the "
            f"stream has all rows up to then, give --data.periods.complete_until {shlex.quote(self._given(end))}, or "
            "now to go by the clock"
        )

    @cached_property
    def _complete(self) -> float:
        """The moment up to which the stream has all rows, which is one and the same for this object's whole life."""
        if self.include_last:
            return math.inf
        if self.complete_until is None:
            return -math.inf
        if self.complete_until == "now":
            return time.time()
        return seconds_of(self.complete_until, self.time_zone, "periods.complete_until")

    def _boundaries(self, first: int, last: int, count: int) -> list[int]:
        """The beginnings of the first ``count`` periods; the first period has ``first``, and the last begins later."""
        begun, until = _begins(first, last, self.every, self.time_zone), last
        while len(begun) < count:
            until = pl.from_epoch(pl.Series([until])).dt.offset_by(self.every).dt.epoch("s")[0] + 2 * 24 * _HOUR
            begun = _begins(first, until, self.every, self.time_zone)
        return begun[:count]

    def _given(self, moment: int) -> str:
        """A moment as ``complete_until`` takes it."""
        shown = on_clock(moment, self.time_zone)
        return shown if seconds_of(shown, self.time_zone, "") == moment else str(moment)


class Boundaries(Periods):
    """Periods between given times.

    Rows before the first time belong to no period, but are in the histories of later rows. Rows from the last time on
    wait until further times are given.

    Examples:
        >>> hours = [0, 5, 23, 24, 50, 71, 72]
        >>> rows = pl.DataFrame({"user": hours, "item": hours, "label": [1] * 7, "time": hours})
        >>> log = InteractionLog.from_frame(rows.with_columns(pl.col("time") * 3600))

        >>> Boundaries(["1970-01-01 04:00", "1970-01-02", "1970-01-03"]).cut(log)  # the first row is in histories only
        [1, 3, 4]
    """

    def __init__(self, times: list[str | int], time_zone: str = "UTC", late: Late = "refuse") -> None:
        """Give the times.

        Args:
            times: the beginnings of the periods and the end of the last one, ascending: dates (``2014-01-31``), dates
                with a time (``2014-01-31 18:00``), or seconds since 1970.
            time_zone: the time zone of these dates and times.
            late: the treatment of rows of the period in which the stream ended that come after it was walked. refuse:
                the walk does not go on. next: they count in the next period.

        Raises:
            ConfigError: if a time cannot be read, they do not ascend, or there are fewer than two.
        """
        self.times = [seconds_of(time, time_zone, "periods.times") for time in times]
        self.late: Late = late
        if len(times) < 2:
            raise ConfigError(f"periods.times needs at least two times, a beginning and an end, got {times}")
        for before, after, written in zip(self.times, self.times[1:], times[1:], strict=False):
            if after <= before:
                raise ConfigError(f"periods.times must ascend, but {written} does not come after the time before it")

    def cut(self, log: InteractionLog, known: Sequence[int] = ()) -> list[int]:
        """See :meth:`Periods.cut`.

        Raises:
            ConfigError: if the stream ends before the first period does, or an earlier walk was cut otherwise.
        """
        _, last = _span(log)
        positions = [int(position) for position in log.first_from(torch.tensor(self.times))]
        begun = sum(time <= last for time in self.times)
        if not begun:
            raise ConfigError(f"the stream ends {spelled(last)}, before the first of data.periods.times: lower them")
        padded = positions + [len(log)] * (len(known) - len(positions))
        kept = continued(padded, known, self.late, log)
        for number in range(len(kept), len(positions)):
            if number > begun or (number == begun and positions[number] == kept[-1]):
                break
            kept.append(positions[number])
        return kept

    def awaited(self, log: InteractionLog, boundaries: Sequence[int]) -> str:
        """See :meth:`Periods.awaited`."""
        return "for a later one of data.periods.times"


def _span(log: InteractionLog) -> tuple[int, int]:
    first, last = log.time_at(0), log.time_at(len(log) - 1)
    if first < 0 or last > _LATEST:
        raise ConfigError(
            f"the stream's times go from {first} to {last}, which are no seconds since 1970: convert it again with the "
            "right --time-unit, or cut it by rows (EqualCounts, EqualRows)"
        )
    return first, last


def _begins(first: int, last: int, every: str, time_zone: str) -> list[int]:
    """The beginnings of the calendar's periods with ``first`` to ``last``, in seconds since 1970, ascending."""
    try:
        utc = pl.from_epoch(pl.Series([first, last], dtype=pl.Int64), time_unit="s").dt.replace_time_zone("UTC")
        shown = utc.dt.convert_time_zone(time_zone).dt.replace_time_zone(None)
        if length := within_a_day(every):
            _check_number((last - first) // length + 1, first, last, every)
            periods = _by_hour(shown, every, length, time_zone)
        elif any(unit in every.replace("mo", "q") for unit in "dwqy"):
            begin, end = shown.dt.truncate(every)
            periods = moments(pl.datetime_range(begin, end, every, eager=True), time_zone)
        else:  # hours that do not divide a day go on across midnight, all of one length
            begin = moments(shown.dt.truncate(every)[:1], time_zone).dt.convert_time_zone("UTC")[0]
            periods = pl.datetime_range(begin, utc[1], every, eager=True)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"data.periods cannot cut by {every!r} in the time zone {time_zone!r} ({reason}): give a length like 6h, "
            "1d, 1w or 1mo, and a zone like UTC or Europe/Oslo"
        ) from None
    begins = periods.dt.epoch("s").unique().sort()  # days that the clock leaves out begin together
    begins = begins.filter((begins <= last) & (begins >= begins.filter(begins <= first).max()))
    _check_number(len(begins), first, last, every)
    return begins.to_list()


def _check_number(periods: int, first: int, last: int, every: str) -> None:
    if periods > MOST:
        raise ConfigError(
            f"data.periods makes {periods:,} periods of {every} from {spelled(first)} to {spelled(last)}: cut "
            "coarser, or convert the stream again if its times are not in seconds"
        )


def _by_hour(shown: pl.Series, every: str, length: int, time_zone: str) -> pl.Series:
    """The beginnings of periods at the same hours every day, from the day before to the day after the stream."""
    days = shown.dt.truncate("1d")
    grid = pl.datetime_range(days.dt.offset_by("-1d")[0], days.dt.offset_by("2d")[1], every, eager=True)
    once = moments(grid, time_zone)
    # An hour that the clock shows twice is two periods of an hour; a longer period around it is only longer.
    return pl.concat([once, moments(grid, time_zone, last=True)]) if length <= _HOUR else once
