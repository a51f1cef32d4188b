"""Converts dates and times on a zone's clock to moments, also where the clock jumps.

 clock   23:00      00:00 is left out      01:00        clock   01:00     02:00 │ 01:00     02:00
moment ────┴──────────────┴──────────────────┴──▶      moment ────┴─────────┴───┴──┴─────────┴──▶
                          ╰ the next time shown                           ╰ shown twice
"""

from __future__ import annotations

import re
from datetime import datetime

import polars as pl

from asmg_pl.errors import ConfigError

_LONGEST_JUMP = "40h"  # from a time to the moment when a zone's clock shows it, in UTC: an offset, and a day left out
_SECONDS = {"h": 3600, "m": 60, "s": 1}
_DAY = 24 * 3600


def moments(shown: pl.Series, time_zone: str, last: bool = False) -> pl.Series:
    """Find the moments at which a zone's clock shows these times.

    Args:
        shown: Datetime without a zone.
        time_zone: the zone.
        last: whether to choose the later moment where the clock shows a time twice; by default the earlier one.

    Returns:
        Datetime with the zone. A time that the clock leaves out becomes the first moment after it.
    """
    found = shown.dt.replace_time_zone(time_zone, ambiguous="latest" if last else "earliest", non_existent="null")
    left_out = found.is_null()
    if not left_out.any():
        return found
    after = [_first_after(time, time_zone) for time in shown.filter(left_out)]
    return found.scatter(left_out.arg_true(), pl.Series(after, dtype=found.dtype))


def _first_after(shown: datetime, time_zone: str) -> datetime:
    """The first minute at which a zone's clock shows a later time than one that it leaves out."""
    about = pl.Series([shown])
    begin, end = about.dt.offset_by(f"-{_LONGEST_JUMP}")[0], about.dt.offset_by(_LONGEST_JUMP)[0]
    minutes = pl.datetime_range(begin, end, "1m", time_zone="UTC", eager=True).dt.convert_time_zone(time_zone)
    found: datetime = minutes.filter((minutes.dt.replace_time_zone(None) >= about).to_list())[0]
    return found


def within_a_day(every: str) -> int | None:
    """The seconds of a length like ``6h`` that divides a day; ``None`` for any other length."""
    if not re.fullmatch(r"(\d+[hms])+", every):
        return None
    seconds = sum(int(count) * _SECONDS[unit] for count, unit in re.findall(r"(\d+)([hms])", every))
    return seconds if 0 < seconds <= _DAY and _DAY % seconds == 0 else None


def seconds_of(time: str | int, time_zone: str, option: str) -> int:
    """The moment of a date, or of a date with a time, on a zone's clock, in seconds since 1970.

    Args:
        time: as in ``2014-01-31 18:00``, or seconds since 1970 already, as a number or a text.
        time_zone: the zone, unless the time names one.
        option: what gives the time, for the error.

    Raises:
        ConfigError: if it is no time.
    """
    if isinstance(time, int) or re.fullmatch(r"-?\d{9,}", time):  # the command line gives a number as text
        return int(time)
    try:
        naive = datetime.fromisoformat(time)
        zoned = moments(pl.Series([naive.replace(tzinfo=None)]), time_zone)
    except (ValueError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"{option}: {time!r} in the time zone {time_zone!r} is no time ({reason}): write it as 2014-01-31 or "
            "2014-01-31 18:00, or in seconds since 1970"
        ) from None
    if naive.tzinfo is not None:
        return int(naive.timestamp())
    return int(zoned.dt.epoch("s")[0])


def on_clock(moment: int, time_zone: str) -> str:
    """What a zone's clock shows, without zeros at the end."""
    utc = pl.from_epoch(pl.Series([moment], dtype=pl.Int64), "s").dt.replace_time_zone("UTC")
    shown = str(utc.dt.convert_time_zone(time_zone).dt.to_string("%Y-%m-%d %H:%M:%S")[0])
    return shown.removesuffix(":00").removesuffix(" 00:00")


def spelled(time: int) -> str:
    """A moment in UTC, for people."""
    return f"{pl.from_epoch(pl.Series([time]), time_unit='s')[0]} UTC"
