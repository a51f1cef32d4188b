"""Goes on with the periods of an earlier walk, also if more rows of a period have come since it was walked.

by the clock     │ Mon        │ Tue            │ Wed        │
rows             ··· ·· · ·· ·  ··· · ·▲·· · ·  ·· ·· · ··
as walked        │ Mon        │ Tue    │ Wed               │      Tue was walked up to ▲, and stays so
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from asmg_pl.data.log import InteractionLog
from asmg_pl.errors import ConfigError

#: The treatment of rows of a period that come after it was walked.
Late = Literal["refuse", "next"]


def continued(boundaries: Sequence[int], known: Sequence[int], late: Late, log: InteractionLog) -> list[int]:
    """The boundaries of an earlier walk, which stay; without one, only the first boundary.

    Args:
        boundaries: the boundaries by the clock, as row positions; at least as many as ``known``.
        known: the boundaries of the earlier walk.
        late: what to do if the stream has more rows of a walked period by now. refuse: raise an error. next: they count
            in the period after it, which has not been walked.
        log: the stream.

    Raises:
        ConfigError: if late rows are refused and there are some, or the earlier walk was cut otherwise.
    """
    kept = list(known) or [boundaries[0]]
    if kept == list(boundaries[: len(kept)]):
        return kept
    walked = zip(boundaries, kept[1:], boundaries[1:], strict=False)
    within = kept[0] == boundaries[0] and all(begin <= middle <= end for begin, middle, end in walked)
    if not within or (late == "refuse" and kept[:-1] != list(boundaries[: len(kept) - 1])):
        raise ConfigError(
            "the stream's earlier rows were cut into other periods when the checkpoint was made: go on with its "
            "data.periods, and its data.periods.late too, or start without --ckpt_path"
        )
    if late == "refuse":
        period, begin, end = len(kept) - 1, kept[-1], boundaries[len(kept) - 1]
        first = log.time_at(begin)
        raise ConfigError(
            f"period {period} was walked as complete with {begin - kept[-2]:,} rows, and {end - begin:,} more rows of "
            f"it have come since, the first at {utc(first)}: give --data.periods.late next to count them in period "
            f"{period + 1}, or walk the stream anew, without --ckpt_path"
        )
    return kept


def utc(time: int) -> str:
    """A time as a date if it can be one in seconds, and otherwise as it is."""
    if not 0 <= time < _YEAR_2100:
        return f"time {time}"
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S} UTC"


_YEAR_2100 = 4_102_444_800
