"""Cutting time by the clock: periods of the calendar, and between given times. Times are seconds since 1970.

    rows      · ··  ·   ·· ·      ·     · ·· ·
calendar   │ Mon    │ Tue    │ Wed    │ Thu    │ Fri       a period may be empty
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import polars as pl
import torch

from asmg_pl.data.clock import moments, within_a_day
from asmg_pl.data.log import InteractionLog
from asmg_pl.data.periods import Periods
from asmg_pl.errors import ConfigError

#: The most periods; only a stream whose times are not in seconds has more.
MOST = 1_000_000
_LATEST = 253_402_300_799  # the end of the year 9999
_HOUR = 3600


class Calendar(Periods):
    """Hours, days, weeks and so on, by the clock of a time zone.

    Days are days of the zone, which have 23 or 25 hours when the clock changes. Periods of hours that divide a day
    begin at the same hours every day: periods of 6h begin at 0, 6, 12 and 18 o'clock. The period in which the clock
    changes is longer or shorter; an hour that the clock shows twice counts twice. A day that the clock leaves out is no
    period. Periods of other lengths, such as 5h or 36h, are all equally long. Periods end with the calendar, so that a
    growing stream is cut further in the same way. The period in which the stream ends waits, since more of its rows may
    come.

    Examples:
        >>> hours = [0, 5, 23, 24, 50, 71, 72]
        >>> rows = pl.DataFrame({"user": hours, "item": hours, "label": [1] * 7, "time": hours})
        >>> log = InteractionLog.from_frame(rows.with_columns(pl.col("time") * 3600))

        >>> Calendar("1d").cut(log)  # three days with 3, 1 and 2 rows; the fourth waits for its end
        [0, 3, 4, 6]
        >>> Calendar("1d", time_zone="Asia/Tokyo").cut(log)  # days begin nine hours earlier
        [0, 2, 4, 5]
    """

    def __init__(self, every: str = "1d", time_zone: str = "UTC", include_last: bool = False) -> None:
        """Choose the calendar.

        Args:
            every: the length of a period, a number and a unit: m (minutes), h, d, w (from Monday), mo, q or y.
            time_zone: the time zone of the clock, as in ``Europe/Oslo``.
            include_last: whether the period in which the stream ends is walked too. If the stream then gets more rows
                of that period, the walk cannot go on.

        Raises:
            ConfigError: if the length or the time zone does not exist.
        """
        self.every = every
        self.time_zone = time_zone
        self.include_last = include_last
        if re.search(r"[mun]s|i", every):
            raise ConfigError(
                f"data.periods cannot cut by {every!r}: times are whole seconds, give a length like 6h or 1d"
            )
        if not _begins(0, 0, every, time_zone):
            raise ConfigError(f"periods.every must be longer than nothing, got {every!r}: give 1d or 6h, for example")

    def cut(self, log: InteractionLog, known: Sequence[int] = ()) -> list[int]:
        """See :meth:`Periods.cut`.

        Raises:
            ConfigError: if not one period is complete, there are too many, the stream's times are no seconds since
                1970, or an earlier walk was cut otherwise.
        """
        first, last = _span(log)
        begins = _begins(first, last, self.every, self.time_zone)
        boundaries = [int(position) for position in log.first_from(torch.tensor(begins))]
        if self.include_last:
            boundaries.append(len(log))
        if len(boundaries) < 2:
            raise ConfigError(
                f"the stream ends within its first period of {self.every}: cut finer (data.periods.every), or set "
                "data.periods.include_last"
            )
        return _continued(boundaries, known)


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

    def __init__(self, times: list[str | int], time_zone: str = "UTC") -> None:
        """Give the times.

        Args:
            times: the beginnings of the periods and the end of the last one, ascending: dates (``2014-01-31``), dates
                with a time (``2014-01-31 18:00``), or seconds since 1970.
            time_zone: the time zone of these dates and times.

        Raises:
            ConfigError: if a time cannot be read, they do not ascend, or there are fewer than two.
        """
        self.times = [_seconds(time, time_zone) for time in times]
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
        complete = [time for time in self.times if time <= last] + [time for time in self.times if time > last][:1]
        if len(complete) < 2:
            raise ConfigError(f"the stream ends {_shown(last)}, before the first of data.periods.times: lower them")
        return _continued([int(position) for position in log.first_from(torch.tensor(complete))], known)


def _span(log: InteractionLog) -> tuple[int, int]:
    first, last = int(log.between(0, 1).time[0]), int(log.between(len(log) - 1, len(log)).time[0])
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
            f"data.periods makes {periods:,} periods of {every} from {_shown(first)} to {_shown(last)}: cut "
            "coarser, or convert the stream again if its times are not in seconds"
        )


def _by_hour(shown: pl.Series, every: str, length: int, time_zone: str) -> pl.Series:
    """The beginnings of periods at the same hours every day, from the day before to the day after the stream."""
    days = shown.dt.truncate("1d")
    grid = pl.datetime_range(days.dt.offset_by("-1d")[0], days.dt.offset_by("2d")[1], every, eager=True)
    once = moments(grid, time_zone)
    # An hour that the clock shows twice is two periods of an hour; a longer period around it is only longer.
    return pl.concat([once, moments(grid, time_zone, last=True)]) if length <= _HOUR else once


def _seconds(time: str | int, time_zone: str) -> int:
    if isinstance(time, int):
        return time
    try:
        naive = datetime.fromisoformat(time)
        zoned = moments(pl.Series([naive.replace(tzinfo=None)]), time_zone)
    except (ValueError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"periods.times: {time!r} in the time zone {time_zone!r} is no time ({reason}): write it as 2014-01-31 or "
            "2014-01-31 18:00, or in seconds since 1970"
        ) from None
    if naive.tzinfo is not None:
        return int(naive.timestamp())
    return int(zoned.dt.epoch("s")[0])


def _shown(time: int) -> str:
    return f"{pl.from_epoch(pl.Series([time]), time_unit='s')[0]} UTC"


def _continued(boundaries: list[int], known: Sequence[int]) -> list[int]:
    """The boundaries, if they begin with the boundaries of the earlier walk."""
    if boundaries[: len(known)] != list(known):
        raise ConfigError(
            "the stream's earlier rows were cut into other periods when the checkpoint was made: go on with its "
            "data.periods, or start without --ckpt_path"
        )
    return boundaries
