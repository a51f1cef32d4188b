"""Times: the unit in which they are written, and what cannot be the time of an interaction."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from asmg_pl.data.tables.times import ANY_TIME, Plausible, TimeUnit, implausible, outliers, time

NOW = datetime(2022, 6, 1, tzinfo=UTC).timestamp()
PLAUSIBLE = Plausible.by(NOW)
DAY = 24 * 60 * 60


def read(texts: list[str], unit: TimeUnit, plausible: Plausible = PLAUSIBLE) -> tuple[list[int | None], list[str]]:
    """The times, and for each that is none, why."""
    column = time("when", unit, plausible)
    frame = pl.DataFrame({"text": texts}).select(
        value=column.parse(pl.col("text")), reason=column.reason(pl.col("text"))
    )
    return frame["value"].to_list(), frame.filter(pl.col("value").is_null())["reason"].to_list()


@pytest.mark.parametrize(
    ("unit", "text", "reason"),
    [
        ("s", "16011939", "time '16011939' would be 1970-07-05 07:45:39 UTC, before 1990"),
        ("s", "20220408", "time '20220408' would be 1970-08-23 00:46:48 UTC, before 1990"),
        ("s", "631151999", "before 1990"),
        ("s", "1700000000", "time '1700000000' would be 2023-11-14 22:13:20 UTC, in the future"),
        ("s", "1649386001448", "time '1649386001448' is not a number of seconds since 1970, up to the year 2100"),
        ("s", "-5", "time '-5' is not a number of seconds"),
        ("s", "1.6e9", "time '1.6e9' has an exponent, and may lack its last digits: write it in full"),
        ("ms", "1.649386E+12", "has an exponent"),
        (
            "ms",
            "1649386001",
            "would be 1970-01-20 02:09:46 UTC, before 1990: it reads like seconds, write all times in one",
        ),
        ("us", "1649386001448", "before 1990: it reads like milliseconds"),
        ("ns", "1649386001448000", "before 1990: it reads like microseconds"),
        ("iso", "1822-04-08", "time '1822-04-08' is not a date or time"),
        (
            "iso",
            "1982-04-08",
            "time '1982-04-08' would be 1982-04-08 00:00:00 UTC, before 1990: write it as the others",
        ),
        ("iso", "2202-04-08", "is not a date or time of ISO 8601"),
        ("iso", "2033-04-08", "in the future"),
    ],
)
def test_an_implausible_time_is_none_and_says_what_it_would_be(unit: TimeUnit, text: str, reason: str) -> None:
    values, reasons = read([text], unit)
    assert values == [None]
    assert reason in reasons[0]
    if "would be" in reasons[0]:
        assert reasons[0].endswith("or give --any-time if it is meant")


@pytest.mark.parametrize(
    ("unit", "text", "seconds"),
    [
        ("s", "631152000", 631152000),
        ("s", str(int(NOW) + DAY), int(NOW) + DAY),
        ("s", f"{int(NOW) + DAY}.9", int(NOW) + DAY),
        ("ms", "1649386001448", 1649386001),
        ("iso", "20220408", 1649376000),
        ("iso", "202204081046", 1649414760),
        ("iso", "20220408104641", 1649414801),
        ("iso", "20220408T104641", 1649414801),
        ("iso", "2022-04-08 10:46:41 UTC", 1649414801),
        ("iso", "2022-04-08 10:46:41.000000+02:00", 1649407601),
    ],
)
def test_plausible_times_are_read(unit: TimeUnit, text: str, seconds: int) -> None:
    scale = {"s": 1, "ms": 1000, "iso": 1_000_000}[unit]
    (value,), reasons = read([text], unit)
    assert value is not None
    assert value // scale == seconds
    assert not reasons


def test_any_time_is_one_from_1970_to_2100() -> None:
    assert read(["0", "5", "4102444799", "20220408"], "s", ANY_TIME)[0] == [0, 5, 4102444799, 20220408]


@pytest.mark.parametrize(
    ("texts", "unit", "words"),
    [
        (
            ["20220408", "20220409"],
            "s",
            ["reads like dates and times of ISO 8601", "would be 1970-08-23", "--time-unit iso"],
        ),
        (["20220408", "20220409"], "ms", ["give --time-unit iso"]),
        (["202204081530"] * 3, "ms", ["give --time-unit iso"]),
        (["20220408153000"] * 3, "s", ["give --time-unit iso"]),
        (
            ["14102100", "14102123"],
            "s",
            ["dates written as YYMMDDHH, as in '14102100' for 2014-10-21", "1970-06-13 05:15:00"],
        ),
        (["2204081530"] * 2, "s", ["dates written as YYMMDDHHMM", "2022-04-08"]),
        (["2022040815"] * 2, "s", ["dates written as YYYYMMDDHH", "2022-04-08"]),
        (["220408"] * 2, "s", ["dates written as YYMMDD,", "2022-04-08"]),
        (["202204", "202203"], "s", ["months written as YYYYMM", "2022-04-01"]),
        (["2022", "2021"], "s", ["reads like years, as in '2022' for 2022-01-01"]),
        (["44657", "44650"], "s", ["days since 1900 as Excel counts them, as in '44657' for 2022-04-06"]),
        (["44657.5", "44650.25"], "s", ["as in '44657.5' for 2022-04-06"]),
        (["44657", "44650"], "iso", ["days since 1900 as Excel counts them"]),
        (["19090", "19091"], "s", ["days since 1970, as in '19090' for 2022-04-08"]),
        (["458173", "458174"], "s", ["hours since 1970"]),
        (["27490000", "27490001"], "s", ["minutes since 1970"]),
        (["1649386001", "1649386002"], "ms", ["reads like seconds", "would be 1970-01-20", "give --time-unit s"]),
        (["1649386001448"] * 2, "s", ["reads like milliseconds", "give --time-unit ms"]),
    ],
)
def test_a_column_of_something_else_is_named(texts: list[str], unit: TimeUnit, words: list[str]) -> None:
    found = implausible(pl.Series(texts), unit, PLAUSIBLE)
    assert found is not None
    for word in words:
        assert word in found


def test_small_numbers_are_seconds_where_any_time_is_meant() -> None:
    assert implausible(pl.Series(["1", "2", "44657"]), "s", ANY_TIME) is None
    assert implausible(pl.Series(["1649386001", "1649386002"]), "s", PLAUSIBLE) is None


@pytest.mark.parametrize("unit", ["s", "ms", "iso"])
def test_a_few_times_far_from_the_others_are_found(unit: TimeUnit) -> None:
    scale = {"s": 1, "ms": 1000, "iso": 1_000_000}[unit]
    many = [(int(NOW) - 86_400 * n) * scale for n in range(100)]
    early, late = (int(NOW) - 2000 * DAY) * scale, (int(NOW) + 2000 * DAY) * scale
    assert outliers(pl.Series(sorted(many)), unit) is None
    before = outliers(pl.Series(sorted([*many, early, early - scale])), unit)
    assert before is not None
    assert (before.first, before.last, before.rows) == (early - scale, early, 2)
    assert before.days == 2000 - 99
    after = outliers(pl.Series(sorted([*many, late])), unit)
    assert after is not None
    assert (after.first, after.rows, after.days) == (late, 1, 2000)
    half = [time - 2000 * DAY * scale for time in many]
    assert outliers(pl.Series(sorted(many + half)), unit) is None, "a long pause, not a few rows"
