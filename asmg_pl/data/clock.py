"""Converts dates and times on a zone's clock to moments, also where the clock jumps.

 clock   23:00      00:00 is left out      01:00        clock   01:00     02:00 │ 01:00     02:00
moment ────┴──────────────┴──────────────────┴──▶      moment ────┴─────────┴───┴──┴─────────┴──▶
                          ╰ the next time shown                           ╰ shown twice
"""

from __future__ import annotations

import re
from datetime import datetime

import polars as pl

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
