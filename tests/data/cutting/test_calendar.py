"""Cutting time by the clock."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from asmg_pl.data import Boundaries, Calendar, EqualCounts, EqualRows, InteractionLog, Periods
from asmg_pl.data.cutting.calendar import _begins
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
    for known in ([0, 10, 20], [0, 20, 43], [1, 19], [0, 19, 70]):
        with pytest.raises(ConfigError, match=r"were cut into other periods .* without --ckpt_path"):
            Calendar("1d").cut(log(times), known)


@pytest.mark.parametrize(
    ("every", "zone", "end"),
    [
        ("1d", "UTC", "2014-01-04"),
        ("1d", "Europe/Oslo", "2014-01-04"),
        ("6h", "UTC", "2014-01-03 12:00"),
        ("5h", "UTC", "2014-01-03 13:00"),
        ("36h", "UTC", "2014-01-04"),
        ("1w", "UTC", "2014-01-06"),
        ("1mo", "UTC", "2014-02-01"),
        ("1y", "UTC", "2015-01-01"),
    ],
)
def test_the_last_period_is_walked_once_the_stream_is_said_to_be_complete_up_to_its_end(
    every: str, zone: str, end: str
) -> None:
    stream = log(hourly("2014-01-01 00:00", 59, zone))  # until 10 o'clock of the third day
    shorter = Calendar("1h", zone).cut(stream) if every in ("1w", "1mo", "1y") else Calendar(every, zone).cut(stream)
    moment = at(end, zone)
    expected = [0, 59] if every in ("1w", "1mo", "1y") else [*shorter, 59]
    for until in (end, moment, str(moment), f"{end[:10]}T{end[11:] or '00:00'}", moment + 10**9, "now"):
        assert Calendar(every, zone, complete_until=until).cut(stream) == expected
    if expected != [0, 59]:
        assert Calendar(every, zone, complete_until=moment - 1).cut(stream) == shorter
        said = Calendar(every, zone).awaited(stream, shorter)
        assert f"with a row from {end} {zone} on" in said
        assert f"--data.periods.complete_until {end if ' ' not in end else repr(end)}," in said
    else:
        with pytest.raises(ConfigError, match=rf"within its first period .* data.periods.complete_until {end}$"):
            Calendar(every, zone).cut(stream)


def test_now_is_what_the_clock_says_and_one_moment_for_all_cuts_of_a_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, clock = log(hourly("2014-01-01 00:00", 30)), [at("2014-01-02 23:59:59")]
    monkeypatch.setattr("time.time", lambda: clock[0])
    waiting = Calendar("1d", complete_until="now")
    assert waiting.cut(stream) == [0, 24]
    clock[0] += 1
    assert waiting.cut(stream) == [0, 24]
    assert Calendar("1d", complete_until="now").cut(stream) == [0, 24, 30]
    assert Calendar("1d", "America/New_York", complete_until="now").cut(stream) == [0, 5, 29]


def test_days_after_the_streams_end_are_walked_when_rows_show_that_they_are_over() -> None:
    times = hourly("2014-01-01 00:00", 30)
    grown = [*times, *hourly("2014-01-05 12:00", 3)]
    said = Calendar("1d", complete_until="2014-01-05")
    known = said.cut(log(times))
    assert known == [0, 24, 30]
    assert said.cut(log(grown), known) == [0, 24, 30, 30, 30]


@pytest.mark.parametrize("option", [{"complete_until": "2014-01-03"}, {"include_last": True}])
def test_rows_that_come_to_a_walked_period_are_refused_or_count_in_the_next(option: dict[str, Any]) -> None:
    times = hourly("2014-01-01 00:00", 30)
    known = Calendar("1d", **option).cut(log(times))
    assert known == [0, 24, 30]
    later = times + hourly("2014-01-02 07:00", 4)  # four more rows of the second day
    more = (
        r"6 rows, and 4 more rows of it have come since, the first at 2014-01-02 07:00:00 UTC: give --data.periods.late"
    )
    with pytest.raises(ConfigError, match=rf"period 2 was walked as complete with {more} next to count"):
        Calendar("1d", **option).cut(log(later), known)
    waiting = Calendar("1d", late="next")
    assert waiting.cut(log(later), known) == known, "their period, the third day, is not over"
    whole = later + hourly("2014-01-03 00:00", 25)
    assert waiting.cut(log(whole), known) == [0, 24, 30, 58]
    again = waiting.cut(log(whole + hourly("2014-01-04 01:00", 24)), [0, 24, 30, 58])
    assert again == [0, 24, 30, 58, 82], "and so on, however often the walk goes on"
    assert Calendar("1d", complete_until="2014-01-04", late="next").cut(log(later), known) == [0, 24, 30, 34]
    with pytest.raises(ConfigError, match=r"cut into other periods .* and its data.periods.late too"):
        Calendar("1d", **option).cut(log(whole), [0, 24, 30, 58])


def test_a_walk_keeps_its_periods_when_less_is_said_to_be_complete() -> None:
    times = hourly("2014-01-01 00:00", 30)
    for now in (Calendar("1d"), Calendar("1d", complete_until="2014-01-01")):
        assert now.cut(log(times), [0, 24, 30]) == [0, 24, 30]
        assert now.cut(log(times + hourly("2014-01-03 00:00", 25)), [0, 24, 30]) == [0, 24, 30, 54]


def test_rows_beyond_a_boundary_that_was_walked_early_are_refused_or_count_in_the_next() -> None:
    given: list[str | int] = ["2014-01-01", "2014-01-02", "2014-01-03", "2014-01-04"]
    times = hourly("2014-01-01 00:00", 30)
    known = Boundaries(given).cut(log(times))
    assert known == [0, 24, 30]
    grown = log(times + hourly("2014-01-02 08:00", 20))
    with pytest.raises(ConfigError, match="period 2 was walked as complete with 6 rows, and 16 more rows"):
        Boundaries(given).cut(grown, known)
    assert Boundaries(given, late="next").cut(grown, known) == [0, 24, 30, 50]


def test_what_is_no_moment_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match=r"periods.complete_until: 'soon' .* is no time .* write it as 2014-01-31"):
        Calendar("1d", complete_until="soon")
    with pytest.raises(ConfigError, match=r"periods.include_last .* give one"):
        Calendar("1d", include_last=True, complete_until="now")


def test_each_rule_says_what_its_last_rows_wait_for() -> None:
    stream = log(hourly("2014-01-01 00:00", 30))

    def said(periods: Periods) -> str:
        return periods.awaited(stream, periods.cut(stream))

    assert said(Calendar("1d")).startswith(
        "for the day to end, with a row from 2014-01-03 UTC on; if the stream has all"
    )
    assert said(Calendar("5h")).startswith("for the period of 5h to end, with a row from 2014-01-02 07:00 UTC on; if")
    assert said(EqualCounts(4)) == "for later rows, to fill a period of 7"
    assert said(EqualRows(20)) == "for later rows, to fill a period of 20 (data.periods.rows)"
    assert said(Boundaries(["2014-01-01", "2014-01-02"])) == "for a later one of data.periods.times"


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
