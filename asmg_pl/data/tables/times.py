"""Times as users write them: their units, the times that an interaction can have, and readings of other numbers.

text ─▶ whole numbers of the unit ─▶ from 1990 to tomorrow? ─▶ close to the other times?
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple

import polars as pl

from asmg_pl.data.tables.columns import Column

TimeUnit = Literal["s", "ms", "us", "ns", "iso"]

#: Units in which a time may be written: units per second, and name.
UNITS: dict[TimeUnit, tuple[int, str]] = {
    "s": (1, "seconds"),
    "ms": (1000, "milliseconds"),
    "us": (1_000_000, "microseconds"),
    "ns": (1_000_000_000, "nanoseconds"),
    "iso": (1_000_000, "dates and times of ISO 8601"),
}
_DAY = 24 * 60 * 60
_1980, _1990, _2100 = 315_532_800, 631_152_000, 4_102_444_800
_FAR, _FEW = 1000 * _DAY, 0.05  # times are suspicious if they are so far from all others, and so few
_EXPONENT = "[eE]"


class Plausible(NamedTuple):
    """The range of times that an interaction can have.

    Attributes:
        first: the earliest time, seconds since 1970.
        last: the latest time, seconds since 1970.
    """

    first: int
    last: int

    @classmethod
    def by(cls, now: float) -> Plausible:
        """The range from 1990 to a day from now: clocks differ, and dates may belong to a zone in the east."""
        return cls(_1990, int(now) + _DAY)


ANY_TIME = Plausible(0, _2100)


def now() -> float:
    """The current time, seconds since 1970."""
    return clock.time()


def time(name: str, unit: TimeUnit, plausible: Plausible = ANY_TIME) -> Column:
    """A column of times, as whole numbers of the unit (of microseconds, if the unit is ``iso``).

    Args:
        name: the name of the column.
        unit: the unit of its values.
        plausible: times that are accepted; by default those from 1970 to 2100.
    """
    scale, words = UNITS[unit]
    as_iso = "a date or time of ISO 8601, as in 2014-01-31 or 2014-01-31 18:30"
    meaning = as_iso if unit == "iso" else f"a number of {words} since 1970"
    meaning = f"{meaning}, up to the year 2100"

    def within(text: pl.Expr, span: Plausible) -> pl.Expr:
        value = _iso(text) if unit == "iso" else _whole(text)
        # The whole last second counts, 59.9 s too.
        return pl.when(value.is_between(span.first * scale, (span.last + 1) * scale, closed="left")).then(value)

    def why(text: pl.Expr) -> pl.Expr:
        short = text.fill_null("").str.head(50)
        moment = pl.from_epoch(within(text, ANY_TIME) // scale, "s")
        becomes = pl.format("time '{}' would be {} UTC, ", short, moment.dt.to_string("%Y-%m-%d %H:%M:%S"))
        early = pl.lit("before 1990") if plausible.first == _1990 else pl.lit("too early")
        bound = pl.when(moment.dt.epoch("s") < plausible.first).then(early).otherwise(pl.lit("in the future"))
        meant = "or give --any-time if it is meant"
        others = [
            pl.when(_whole(text).is_between(plausible.first * other, plausible.last * other)).then(
                pl.lit(f": it reads like {name}, write all times in one unit (--time-unit), {meant}")
            )
            for other, name in UNITS.values()
            if other != scale
        ]
        mend = pl.coalesce(*others, pl.lit(f": write it as the others (--time-unit), {meant}"))
        none = pl.format(f"time '{{}}' is not {meaning}", short)
        if unit != "iso":
            short_of = pl.format("time '{}' has an exponent, and may lack its last digits: write it in full", short)
            none = pl.when(_float(text).is_finite() & text.str.contains(_EXPONENT)).then(short_of).otherwise(none)
        return pl.when(moment.is_null()).then(none).otherwise(pl.concat_str(becomes, bound, mend))

    return Column("time", "--time", name, lambda text: within(text, plausible), meaning, why=why)


def _whole(text: pl.Expr) -> pl.Expr:
    """Whole numbers, rounded down. Numbers with an exponent become null, since they may lack digits."""
    fraction = pl.when(~text.str.contains(_EXPONENT)).then(_float(text).floor())
    return pl.coalesce(text.cast(pl.Int64, strict=False), fraction.cast(pl.Int64, strict=False))


def _float(text: pl.Expr) -> pl.Expr:
    return text.cast(pl.Float64, strict=False)


def _iso(text: pl.Expr) -> pl.Expr:
    """Microseconds since 1970 of a date, or of a date and a time with or without seconds; UTC if there is no offset.

    Dates and times may also be written with 8, 12 or 14 digits.
    """
    moment = text.str.strip_suffix(" UTC").str.replace(r"^([0-9]{4})([0-9]{2})([0-9]{2})$", "${1}-${2}-${3}")
    digits = r"^([0-9]{4})([0-9]{2})([0-9]{2})T?([0-9]{2})([0-9]{2})"
    moment = moment.str.replace(f"{digits}$", "${1}-${2}-${3}T${4}:${5}")
    moment = moment.str.replace(f"{digits}([0-9]{{2}})$", "${1}-${2}-${3}T${4}:${5}:${6}")
    moment = pl.when(moment.str.len_bytes() == len("2014-01-31")).then(moment + "T00:00").otherwise(moment)
    moment = moment.str.replace(" ", "T", literal=True)
    moment = moment.str.replace(r"^([\d-]+T\d\d:\d\d)(Z|[+-]\d\d:?\d\d)?$", "${1}:00${2}")
    moment = pl.when(moment.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$")).then(moment).otherwise(moment + "Z")
    return moment.str.to_datetime("%+", time_unit="us", strict=False).dt.epoch("us")


def plausible_unit(texts: pl.Series) -> TimeUnit | None:
    """The unit in which most of the texts are times from 1980 to 2100, if there is one."""
    for unit, (scale, _) in UNITS.items():
        if (_times(texts, unit) >= _1980 * scale).sum() * 2 > len(texts):
            return unit
    return None


def implausible(texts: pl.Series, unit: TimeUnit, plausible: Plausible) -> str | None:
    """Why these texts are not times in this unit, if most of them are something else."""
    scale, words = UNITS[unit]
    times = _times(texts, unit)
    likely = plausible_unit(texts)
    bound = _1980 if plausible == ANY_TIME and unit != "s" else plausible.first
    outside = (times < bound * scale) | (times > plausible.last * scale) | times.is_null()
    if outside.sum() * 2 <= len(texts):
        return None
    moment = pl.from_epoch(times[:1] // scale, "s")[0]
    becomes = f" ({texts[0]!r} would be {moment} UTC)" if moment else ""
    if likely not in (None, unit):
        return f"reads like {UNITS[likely][1]}, as in {texts[0]!r}, not {words}{becomes}: give --time-unit {likely}"
    if reading := _reading(texts, plausible if plausible != ANY_TIME else Plausible.by(now())):
        name, day = reading
        return (
            f"reads like {name}, as in {texts[0]!r} for {day}, not {words}{becomes}: write it as dates of ISO 8601, as "
            f"in {day}, and give --time-unit iso, or give the form with --time-format"
        )
    sound = times.drop_nulls()
    if len(sound) and not sound.is_between(plausible.first * scale, plausible.last * scale).any():
        when = "before 1990" if sound[0] < plausible.first * scale else "in the future"
        return f"has times {when}{becomes}: give the right --time-unit, or --any-time if they are meant"
    return None


def _times(texts: pl.Series, unit: TimeUnit) -> pl.Series:
    """Times from 1970 to 2100 in this unit, Int64."""
    return texts.to_frame("time").select(time("time", unit).parse(pl.col("time"))).to_series()


def _digits(written: str, pattern: str) -> Callable[[str], datetime]:
    def read(text: str) -> datetime:
        if len(text) != len(written) or not text.isdecimal():
            raise ValueError
        return datetime.strptime(text, pattern)

    return read


def _count(first: datetime, unit: timedelta) -> Callable[[str], datetime]:
    return lambda text: first + float(text) * unit


#: Other kinds of times that people write as a number.
_READINGS: dict[str, Callable[[str], datetime]] = {
    "dates written as YYMMDDHH": _digits("YYMMDDHH", "%y%m%d%H"),
    "dates written as YYYYMMDDHH": _digits("YYYYMMDDHH", "%Y%m%d%H"),
    "dates written as YYMMDDHHMM": _digits("YYMMDDHHMM", "%y%m%d%H%M"),
    "dates written as YYMMDDHHMMSS": _digits("YYMMDDHHMMSS", "%y%m%d%H%M%S"),
    "months written as YYYYMM": _digits("YYYYMM", "%Y%m"),
    "dates written as YYMMDD": _digits("YYMMDD", "%y%m%d"),
    "years": _digits("YYYY", "%Y"),
    "days since 1900 as Excel counts them": _count(datetime(1899, 12, 30), timedelta(days=1)),
    "days since 1970": _count(datetime(1970, 1, 1), timedelta(days=1)),
    "hours since 1970": _count(datetime(1970, 1, 1), timedelta(hours=1)),
    "minutes since 1970": _count(datetime(1970, 1, 1), timedelta(minutes=1)),
}


def _reading(texts: pl.Series, plausible: Plausible) -> tuple[str, date] | None:
    """The reading by which most of these texts are plausible dates, and the first such date."""
    for name, read in _READINGS.items():
        found = []
        for text in texts:
            try:
                moment = read(text)
                if plausible.first <= moment.replace(tzinfo=UTC).timestamp() <= plausible.last:
                    found.append(moment)
            except (ValueError, OverflowError):
                continue
        if len(found) * 2 > len(texts):
            return name, found[0].date()
    return None


class Outliers(NamedTuple):
    """A few times that are far from all others.

    Attributes:
        first: the earliest of them, in the unit of the times.
        last: the latest of them.
        rows: the number of such times.
        days: their distance from the nearest other time, in days.
    """

    first: int
    last: int
    rows: int
    days: int


def outliers(times: pl.Series, unit: TimeUnit) -> Outliers | None:
    """Find a few times before or after a long gap; ``None`` if there is no such gap.

    Args:
        times: all times, ascending.
        unit: the unit of the times.
    """
    return outliers_among(times, times, pl.repeat(1, len(times), eager=True), unit)


def outliers_among(first: pl.Series, last: pl.Series, rows: pl.Series, unit: TimeUnit) -> Outliers | None:
    """The outliers of times that stand in groups, such as those of a day; see :func:`outliers`.

    Args:
        first: the earliest time of each group, ascending.
        last: the latest time of each group, before the first of the next group.
        rows: the number of times of each group.
        unit: the unit of the times.
    """
    gaps, before, total = first - last.shift(1), rows.cum_sum() - rows, int(rows.sum())
    for number in (gaps > _FAR * UNITS[unit][0]).arg_true():
        begins = before[number] <= total - before[number]
        few = before[number] if begins else total - before[number]
        if few <= _FEW * total:
            span = (first[0], last[number - 1]) if begins else (first[number], last[-1])
            return Outliers(*span, few, gaps[number] // (_DAY * UNITS[unit][0]))
    return None
