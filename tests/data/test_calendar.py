"""Cutting time by the clock."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from asmg_pl.data import Boundaries, Calendar, InteractionLog
from asmg_pl.data.calendar import _begins
from asmg_pl.errors import ConfigError

HOUR = 3600


def log(times: list[int]) -> InteractionLog:
    rows = {"user": [1] * len(times), "item": [1] * len(times), "label": [0] * len(times), "time": times}
    return InteractionLog.from_frame(pl.DataFrame(rows))


def at(written: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(written).replace(tzinfo=ZoneInfo(zone)).timestamp())


def hourly(first: str, hours: int, zone: str = "UTC") -> list[int]:
    return [at(first, zone) + hour * HOUR for hour in range(hours)]


def test_days_end_at_midnight_and_the_one_in_which_the_stream_ends_waits() -> None:
    times = hourly("2014-01-30 20:00", 4 + 24 + 24 + 5)
    assert Calendar("1d").cut(log(times)) == [0, 4, 28, 52]
    assert Calendar("1d", include_last=True).cut(log(times)) == [0, 4, 28, 52, 57]


@pytest.mark.parametrize(
    ("every", "sizes"),
    [("6h", [4, *[6] * 8]), ("12h", [4, 12, 12, 12, 12]), ("1w", [52]), ("90m", [2, 1, 1, *[2, 1, 2, 1] * 8][:36])],
)
def test_other_lengths_begin_where_the_calendar_says(every: str, sizes: list[int]) -> None:
    times = hourly("2014-01-31 20:00", 52 + 1)  # Friday; midnight of Sunday is row 52
    boundaries = Calendar(every).cut(log(times))
    assert boundaries[0] == 0
    found = [end - begin for begin, end in pairwise(boundaries)]
    assert found[: len(sizes)] == sizes if every != "90m" else sum(found) == boundaries[-1]


def test_a_day_is_that_of_its_time_zone_also_when_the_clock_changes() -> None:
    spring = hourly("2014-03-29 00:00", 24 + 23 + 24 + 1, "Europe/Oslo")
    autumn = hourly("2014-10-25 00:00", 24 + 25 + 24 + 1, "Europe/Oslo")
    assert Calendar("1d", "Europe/Oslo").cut(log(spring)) == [0, 24, 47, 71]
    assert Calendar("1d", "Europe/Oslo").cut(log(autumn)) == [0, 24, 49, 73]
    assert Calendar("1d").cut(log(spring)) == [0, 1, 25, 49]


def test_a_day_that_has_no_midnight_begins_an_hour_later() -> None:
    times = hourly("2018-11-03 00:00", 24 + 23 + 24 + 1, "America/Sao_Paulo")
    assert Calendar("1d", "America/Sao_Paulo").cut(log(times)) == [0, 24, 47, 71]


def clock(first: str, last: str, every: str, zone: str) -> list[str]:
    """What the zone's clock shows where periods begin, from that of ``first`` to that of ``last``."""
    times = [at(first, zone), at(last, zone)]
    found = _begins(times[0], times[1], every, zone)
    assert found == sorted(set(found)), "strictly ascending"
    assert found[0] <= times[0] < (found[1] if len(found) > 1 else times[0] + 1)
    return [datetime.fromtimestamp(time, ZoneInfo(zone)).strftime("%d. %H:%M") for time in found]


@pytest.mark.parametrize(
    ("first", "last", "every", "zone", "expected"),
    [
        (
            "2020-10-24 19:00",
            "2020-10-25 18:30",
            "6h",
            "Europe/Oslo",
            "24. 18:00, 25. 00:00, 25. 06:00, 25. 12:00, 25. 18:00",
        ),
        ("2020-03-28 19:00", "2020-03-29 12:00", "6h", "Europe/Oslo", "28. 18:00, 29. 00:00, 29. 06:00, 29. 12:00"),
        (
            "2020-10-25 00:30",
            "2020-10-25 12:00",
            "3h",
            "Europe/Oslo",
            "25. 00:00, 25. 03:00, 25. 06:00, 25. 09:00, 25. 12:00",
        ),
        ("2020-03-29 00:00", "2020-03-30 00:00", "12h", "Europe/Oslo", "29. 00:00, 29. 12:00, 30. 00:00"),
        (
            "2020-10-24 23:00",
            "2020-10-25 18:00",
            "6h",
            "Europe/London",
            "24. 18:00, 25. 00:00, 25. 06:00, 25. 12:00, 25. 18:00",
        ),
        ("2020-10-25 01:10", "2020-10-25 03:10", "1h", "Europe/Oslo", "25. 01:00, 25. 02:00, 25. 02:00, 25. 03:00"),
        ("2020-03-29 01:10", "2020-03-29 04:10", "1h", "Europe/Oslo", "29. 01:00, 29. 03:00, 29. 04:00"),
        (
            "2020-10-03 22:00",
            "2020-10-04 07:00",
            "3h",
            "Australia/Lord_Howe",
            "03. 21:00, 04. 00:00, 04. 03:00, 04. 06:00",
        ),
        ("2020-10-04 01:00", "2020-10-04 03:00", "1h", "Australia/Lord_Howe", "04. 01:00, 04. 02:30, 04. 03:00"),
        (
            "2020-04-05 01:00",
            "2020-04-05 02:00",
            "30m",
            "Australia/Lord_Howe",
            "05. 01:00, 05. 01:30, 05. 01:30, 05. 02:00",
        ),
        (
            "2018-11-03 13:00",
            "2018-11-04 06:00",
            "6h",
            "America/Sao_Paulo",
            "03. 12:00, 03. 18:00, 04. 01:00, 04. 06:00",
        ),
        ("2022-03-26 01:00", "2022-03-28 00:00", "1d", "Asia/Beirut", "26. 00:00, 27. 01:00, 28. 00:00"),
        ("2022-11-05 01:00", "2022-11-07 00:00", "1d", "America/Havana", "05. 00:00, 06. 00:00, 07. 00:00"),
        ("2022-11-05 19:00", "2022-11-06 07:00", "6h", "America/Havana", "05. 18:00, 06. 00:00, 06. 06:00"),
        ("2022-03-12 19:00", "2022-03-13 07:00", "6h", "America/Havana", "12. 18:00, 13. 01:00, 13. 06:00"),
        ("2022-03-12 07:00", "2022-03-12 18:00", "6h", "Asia/Kathmandu", "12. 06:00, 12. 12:00, 12. 18:00"),
        ("2011-12-28 09:00", "2012-01-01 00:00", "1d", "Pacific/Apia", "28. 00:00, 29. 00:00, 31. 00:00, 01. 00:00"),
        ("2011-12-29 13:00", "2011-12-31 12:00", "12h", "Pacific/Apia", "29. 12:00, 31. 00:00, 31. 12:00"),
        ("2011-12-27 00:00", "2012-01-09 00:00", "1w", "Pacific/Apia", "26. 00:00, 02. 00:00, 09. 00:00"),
        ("1993-08-20 00:00", "1993-08-22 00:00", "1d", "Pacific/Kwajalein", "20. 00:00, 22. 00:00"),
        ("1994-12-30 00:00", "1995-01-02 00:00", "1d", "Pacific/Kiritimati", "30. 00:00, 01. 00:00, 02. 00:00"),
    ],
)
def test_periods_keep_to_the_clock_also_where_it_jumps(
    first: str, last: str, every: str, zone: str, expected: str
) -> None:
    assert clock(first, last, every, zone) == expected.split(", ")


@pytest.mark.parametrize("zone", ["Pacific/Apia", "Australia/Lord_Howe", "America/Havana", "Europe/Oslo"])
@pytest.mark.parametrize("every", ["1d", "6h", "5h", "1h", "1w"])
def test_a_stream_that_grows_over_a_jump_of_the_clock_keeps_its_periods(zone: str, every: str) -> None:
    for day in ("2011-12-24", "2020-04-01", "2020-10-01", "2020-10-22", "2022-11-02"):
        times = hourly(f"{day} 05:00", 24 * 15, zone)
        whole = Calendar(every, zone).cut(log(times))
        assert whole == sorted(whole)
        for hours in (200, 230, 260, 300):
            begun = Calendar(every, zone).cut(log(times[:hours]))
            assert whole[: len(begun)] == begun


def test_a_boundary_that_the_clock_leaves_out_is_the_next_moment() -> None:
    times = hourly("2011-12-28 00:00", 24 * 5, "Pacific/Apia")
    cut = Boundaries(["2011-12-29", "2011-12-30 12:00", "2012-01-01"], "Pacific/Apia").cut(log(times))
    assert cut == [24, 48, 72]
    with pytest.raises(ConfigError, match="2011-12-31 does not come after the time before it"):
        Boundaries(["2011-12-30", "2011-12-31"], "Pacific/Apia")


def test_months_have_their_own_lengths() -> None:
    days = [at("2016-01-01") + day * 24 * HOUR for day in range(31 + 29 + 31 + 1)]
    assert Calendar("1mo").cut(log(days)) == [0, 31, 60, 91]


def test_a_period_may_be_empty() -> None:
    times = hourly("2014-01-01 00:00", 3) + hourly("2014-01-04 12:00", 2) + hourly("2014-01-05 00:00", 1)
    assert Calendar("1d").cut(log(times)) == [0, 3, 3, 3, 5]


@pytest.mark.parametrize("hours", range(30, 80, 7))
def test_a_grown_stream_keeps_its_periods(hours: int) -> None:
    times = hourly("2014-01-01 05:00", 100)
    whole, begun = Calendar("1d").cut(log(times)), Calendar("1d").cut(log(times[:hours]))
    assert whole[: len(begun)] == begun
    assert Calendar("1d").cut(log(times), begun) == whole


def test_a_walk_that_was_cut_otherwise_cannot_go_on() -> None:
    times = hourly("2014-01-01 05:00", 100)
    for known in ([0, 10, 20], Calendar("1d", include_last=True).cut(log(times[:30]))):
        with pytest.raises(ConfigError, match=r"were cut into other periods .* without --ckpt_path"):
            Calendar("1d").cut(log(times), known)


@pytest.mark.parametrize(
    ("every", "zone", "message"),
    [
        ("1x", "UTC", "cannot cut by '1x' .* give a length like 6h"),
        ("day", "UTC", "cannot cut by 'day'"),
        ("-1d", "UTC", "cannot cut by '-1d'"),
        ("0d", "UTC", "cannot cut by '0d'"),
        ("0h", "UTC", "cannot cut by '0h'"),
        ("10ms", "UTC", "cannot cut by '10ms': times are whole seconds"),
        ("", "UTC", "periods"),
        ("1d", "Mars/Base", "in the time zone 'Mars/Base' .* a zone like UTC"),
    ],
)
def test_what_is_no_length_or_no_zone_is_refused_at_once(every: str, zone: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Calendar(every, zone)


def test_a_stream_within_one_period_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"within its first period of 1d: cut finer"):
        Calendar("1d").cut(log(hourly("2014-01-01 05:00", 5)))


def test_times_that_are_no_seconds_are_refused() -> None:
    milliseconds = [time * 1000 for time in hourly("2014-01-01 05:00", 50)]
    with pytest.raises(ConfigError, match=r"no seconds since 1970: convert it again"):
        Calendar("1d").cut(log(milliseconds))
    with pytest.raises(ConfigError, match=r"makes 31,536,001 periods of 1s from 2014-01-01 .*: cut\s+coarser"):
        Calendar("1s").cut(log([at("2014-01-01"), at("2015-01-01")]))


def test_boundaries_are_the_times_given() -> None:
    times = hourly("2014-01-01 00:00", 100)
    given: list[str | int] = ["2014-01-02", "2014-01-02 06:00", at("2014-01-03"), "2014-01-04T01:00:00+01:00"]
    assert Boundaries(given).cut(log(times)) == [24, 30, 48, 72]
    assert Boundaries(["2014-01-02", "2014-01-03"], "Europe/Oslo").cut(log(times)) == [23, 47]


def test_a_last_period_may_reach_beyond_the_stream_and_later_ones_wait() -> None:
    times = hourly("2014-01-01 00:00", 30)
    given: list[str | int] = ["2014-01-01", "2014-01-02", "2014-01-03", "2014-01-04"]
    assert Boundaries(given).cut(log(times)) == [0, 24, 30]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["2014-01-02"], "at least two times"),
        (["2014-01-02", "2014-01-02"], "must ascend, but 2014-01-02 does not come after"),
        (["2014-01-02", "yesterday"], "'yesterday' .* is no time .* write it as 2014-01-31"),
        (["2014-01-02", "2014-13-01"], "'2014-13-01' .* is no time"),
    ],
)
def test_times_that_cannot_be_boundaries_are_refused(times: list[str | int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Boundaries(times)
    with pytest.raises(ConfigError, match=r"'2014-01-02' in the time zone 'Mars/Base' is no time"):
        Boundaries(["2014-01-02", "2014-01-03"], "Mars/Base")


def test_boundaries_after_the_stream_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"the stream ends 2014-01-01 09:00:00 UTC, before the first"):
        Boundaries(["2014-01-02", "2014-01-03"]).cut(log(hourly("2014-01-01 05:00", 5)))
