"""What the columns of a table mean: ids, labels, times, and the context of an interaction.

Every value is text first. A column's expression makes it what it should be, or null, and then its meaning says why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

TimeUnit = Literal["s", "ms", "us", "ns", "iso"]

#: Units in which a time may be written: how many of them make a second, and their name.
UNITS: dict[TimeUnit, tuple[int, str]] = {
    "s": (1, "seconds"),
    "ms": (1000, "milliseconds"),
    "us": (1_000_000, "microseconds"),
    "ns": (1_000_000_000, "nanoseconds"),
    "iso": (1_000_000, "dates and times of ISO 8601"),
}
_1980, _2100 = 315_532_800, 4_102_444_800
_MANY, _LONG = 30, 50  # columns, and characters of their names, that a message shows


@dataclass(frozen=True)
class Column:
    """One column of a table and what it is taken for.

    Attributes:
        role: what it is taken for, the name of the column that it becomes.
        option: the option that named it.
        name: its name in the table's header.
        parse: from text to a value, or to null if it is none.
        meaning: completes the sentence "… is not", for text that is none.
        is_id: whether it holds ids.
    """

    role: str
    option: str
    name: str
    parse: Callable[[pl.Expr], pl.Expr]
    meaning: str
    is_id: bool = False


def identifier(role: str, option: str, name: str) -> Column:
    """Ids: any text but the empty one."""
    return Column(role, option, name, lambda text: pl.when(text != "").then(text), "an id", is_id=True)


def text(role: str, option: str, name: str) -> Column:
    """Any text; a missing one is the empty text."""
    return Column(role, option, name, lambda text: text.fill_null(""), "text")


def label(name: str) -> Column:
    """Labels: 0 and 1, also written as 0.0, 1.0, false, true."""

    def parse(text: pl.Expr) -> pl.Expr:
        number = text.cast(pl.Float64, strict=False)
        word = text.str.to_lowercase()
        words = pl.when(word == "true").then(1.0).when(word == "false").then(0.0)
        value = pl.coalesce(number, words)
        return pl.when(value.is_in([0.0, 1.0])).then(value).cast(pl.UInt8)

    return Column("label", "--label", name, parse, "0 or 1")


def rating(name: str, positive_from: float) -> Column:
    """Ratings, made labels by a threshold."""

    def parse(text: pl.Expr) -> pl.Expr:
        value = text.cast(pl.Float64, strict=False)
        return pl.when(value.is_finite()).then(value >= positive_from).cast(pl.UInt8)

    return Column("label", "--rating", name, parse, "a number")


def time(name: str, unit: TimeUnit) -> Column:
    """Times from 1970 to 2100, as whole numbers of the unit (of microseconds, if the unit is ``iso``)."""
    scale, words = UNITS[unit]

    def parse(text: pl.Expr) -> pl.Expr:
        if unit == "iso":
            value = _iso(text)
        else:
            fraction = text.cast(pl.Float64, strict=False).floor()
            value = pl.coalesce(text.cast(pl.Int64, strict=False), fraction.cast(pl.Int64, strict=False))
        return pl.when(value.is_between(0, _2100 * scale)).then(value)

    as_iso = "a date or time of ISO 8601, as in 2014-01-31 or 2014-01-31 18:30"
    meaning = as_iso if unit == "iso" else f"a number of {words} since 1970"
    return Column("time", "--time", name, parse, f"{meaning}, up to the year 2100")


def _iso(text: pl.Expr) -> pl.Expr:
    """Microseconds since 1970 of a date, or of a date and a time with or without seconds, UTC if it has no offset."""
    moment = pl.when(text.str.len_bytes() == len("2014-01-31")).then(text + "T00:00").otherwise(text)
    moment = moment.str.replace(" ", "T", literal=True)
    moment = moment.str.replace(r"^([\d-]+T\d\d:\d\d)(Z|[+-]\d\d:?\d\d)?$", "${1}:00${2}")
    moment = pl.when(moment.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$")).then(moment).otherwise(moment + "Z")
    return moment.str.to_datetime("%+", time_unit="us", strict=False).dt.epoch("us")


def plausible_unit(texts: pl.Series) -> TimeUnit | None:
    """The unit in which most of the texts are times from 1980 to 2100, if there is one."""
    for unit, (scale, _) in UNITS.items():
        times = texts.to_frame("time").select(time("time", unit).parse(pl.col("time"))).to_series()
        if (times >= _1980 * scale).sum() * 2 > len(texts):
            return unit
    return None


def implausible(texts: pl.Series, unit: TimeUnit) -> str | None:
    """Why these texts are not times in this unit, if it is another that most of them are in."""
    scale, words = UNITS[unit]
    times = texts.to_frame("time").select(time("time", unit).parse(pl.col("time"))).to_series()
    likely = plausible_unit(texts)
    early = unit != "s" and (times < _1980 * scale).sum() * 2 > len(texts)
    if likely in (None, unit) or not (early or times.null_count() * 2 > len(texts)):
        return None
    return f"reads like {UNITS[likely][1]}, as in {texts[0]!r}, not {words}: give --time-unit {likely}"


def problems(columns: Sequence[Column], header: Sequence[str], types: Callable[[str], pl.DataType]) -> list[str]:
    """What is wrong with a table's header and the types of its columns, one entry per column."""
    found = [
        f"column {name!r} stands in the header {header.count(name)} times"
        for name in dict.fromkeys(header)
        if header.count(name) > 1
    ]
    for column in columns:
        if column.name not in header:
            found.append(f"there is no column {column.name!r} ({column.option})")
            continue
        kind = types(column.name)
        if kind.is_nested() or kind in (pl.Binary, pl.Object, pl.Null) or (kind.is_float() and column.is_id):
            found.append(
                f"column {column.name!r} ({column.option}) has values of type {kind}, which are not {column.meaning}"
            )
    if any("there is no column" in problem for problem in found):
        shown = [repr(name if len(name) <= _LONG else name[:_LONG] + "…") for name in header[:_MANY]]
        more = [f"and {len(header) - _MANY:,} more"] if len(header) > _MANY else []
        found.append(f"the columns are {', '.join([*shown, *more])}")
    return found
