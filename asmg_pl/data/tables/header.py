"""Checks whether a file has a header, and whether its columns fit the meanings that the user gives them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from itertools import pairwise

import polars as pl

from asmg_pl.data.tables.columns import OF_FEATURES, Column

_MANY, _LONG = 30, 50  # the most columns that a message shows, and characters of a name
_FEW = 3
_NEAR = 1000  # the most names among which a similar one is sought
_DELIMITING = (";", "\t", "|", ",")  # common delimiters, the likeliest first
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")
#: Seconds from 1990 to 2100, the same in smaller units, and dates.
_TIME = re.compile(r"(6[3-9]|[7-9]\d|[1-3]\d\d)\d{7}(\d{3}){0,3}|\d{4}-\d\d-\d\d([ T].*)?|\d{1,2}/\d{1,2}/\d{4}.*")


def unlike_a_header(columns: Sequence[str]) -> str | None:
    """Why these fields cannot be names of columns; ``None`` if they can."""
    if any("\0" in name for name in columns):
        return "the header has NUL bytes, so this is no text, or not in UTF-8"
    if any(re.search(r"\r(?!\n)", name) for name in columns):
        return "its lines end in carriage returns alone: end them with line feeds"
    others = [mark for mark in _DELIMITING if len(columns) == 1 and mark in columns[0]]
    if others:
        return f"the header {columns[0][:100]!r} is a single field: maybe --delimiter {others[0]!r} tells fields apart"
    return None


def is_data(names: Sequence[str]) -> bool:
    """Whether a first line has values where the names of columns should be."""
    numbers = [name for name in names if _NUMBER.fullmatch(name)]
    if any(_TIME.fullmatch(name) for name in names) or any("." in name or name[0] in "+-" for name in numbers):
        return True
    counted = all(int(after) == int(before) + 1 for before, after in pairwise(numbers))
    return not counted and (len(numbers) * 2 > len(names) or len(numbers) >= _FEW)


def problems(
    columns: Sequence[Column], header: Sequence[str], types: Callable[[str], pl.DataType], mend: str | None = None
) -> list[str]:
    """List what is wrong with a file's header and the types of its columns, one entry per column.

    Args:
        columns: the columns that the file should have.
        header: the names of the columns that the file has.
        types: the type of a column by its name.
        mend: the advice about a file without a header; ``None`` if the file is known to have none.
    """
    absent = [column for column in columns if column.name not in set(header)]
    of_time = [column.name for column in columns if column.role == "time"]
    if mend is not None and (is_data(header) if absent else is_data(of_time)):
        return [f"it has no header, its first line is {_shown(header, 5)}: {mend}"]
    counts = Counter(header)
    doubled = [f"column {_short(name)} stands in the header {n} times" for name, n in counts.items() if n > 1]
    found = doubled[:_FEW] + [f"so do {len(doubled) - _FEW:,} other columns"] * (len(doubled) > _FEW)
    for column in columns:
        if column in absent:
            near = _near(column.name, header)
            found.append(
                f"there is no column {column.name!r} ({column.option})" + (f": did you mean {near!r}?" if near else "")
            )
        elif reason := _unfit(column, types(column.name)):
            found.append(f"column {column.name!r} ({column.option}) has values of type {types(column.name)}, {reason}")
    if absent:
        found.append(f"the columns are {_shown(header, _MANY)}")
    if absent and mend is not None and len(header) == 1:
        found.append("its first line is a single field: does it name the columns, and is --delimiter between them?")
    return found


def _unfit(column: Column, kind: pl.DataType) -> str | None:
    """Why a column of values of this type cannot have this meaning; ``None`` if it can."""
    a_list = column.is_list and isinstance(kind, pl.List) and not kind.inner.is_nested()
    never = (kind.is_nested() and not a_list) or kind in (pl.Binary, pl.Object, pl.Duration)
    if column.role.startswith(OF_FEATURES) and kind == pl.Null:
        return None  # a file in which all values are missing
    instead = ""
    if column.is_id:
        never |= kind in (pl.Boolean, pl.Time, pl.Float32) or isinstance(kind, pl.Date | pl.Datetime)
        if kind.is_float() or (isinstance(kind, pl.Decimal) and kind.scale):
            never |= not column.unified
            instead = "" if kind == pl.Float32 else ": if they are whole numbers, give --ids unified"
    if column.role == "time":
        never |= kind in (pl.Boolean, pl.Time, pl.Float32)  # which keeps only seven digits
    return f"which are not {column.meaning}{instead}" if never or kind == pl.Null else None


def _near(name: str, header: Sequence[str]) -> str | None:
    """The name of the column that is most similar to this one, if there is one."""
    plain = {other.strip().lower(): other for other in reversed(header[:_NEAR])}
    near = get_close_matches(name.strip().lower(), plain, n=1, cutoff=0.7)
    return plain[near[0]] if near else None


def _shown(names: Sequence[str], most: int) -> str:
    more = [f"and {len(names) - most:,} more"] if len(names) > most else []
    return ", ".join([*map(_short, names[:most]), *more])


def _short(name: str) -> str:
    return repr(name if len(name) <= _LONG else name[:_LONG] + "…")
