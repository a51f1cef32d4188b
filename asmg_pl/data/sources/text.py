"""Strict reading of delimited text files: every row is what it should be, or the error says which one is not and why.

Rows are parsed a column at a time, never one by one. Whatever cannot be parsed becomes null, so a sound file costs a
single pass; only a file with a null in it is read again, to find the line and the reason.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from asmg_pl.errors import DataError


class _Field(NamedTuple):
    dtype: type[pl.DataType]
    lowest: float
    highest: float
    meaning: str


_ID = _Field(pl.Int64, 0, 2**63 - 1, "a whole number of at least 0")
_TIME = _Field(pl.Int64, 1, 10**11, "a whole number of seconds since 1970 (divide milliseconds by 1000)")


def read_ratings(
    path: Path, separator: str, rating_range: tuple[float, float], header: str | None = None
) -> pl.DataFrame:
    """Read a file of lines ``user, item, rating, time``.

    UTF-8 with or without a byte-order mark, any line ends, blank lines allowed.

    Args:
        path: the file.
        separator: what stands between two fields, one or more characters.
        rating_range: the lowest and the highest rating there is.
        header: the first line that the file must have, if it has a header.

    Returns:
        The rows in the file's order, with columns ``user``, ``item`` (Int64, not negative), ``rating`` (Float64) and
        ``time`` (Int64, seconds since 1970).

    Raises:
        DataError: if the file is missing, empty, not UTF-8, has another header, or has malformed rows.
    """
    lowest, highest = rating_range
    rating = _Field(pl.Float64, lowest, highest, f"a number between {lowest:g} and {highest:g}")
    fields = {"user": _ID, "item": _ID, "rating": rating, "time": _TIME}
    whole = pl.col(f"field_{len(fields)}").is_null()  # splitn leaves there what a row has too much
    columns = []
    for position, (name, field) in enumerate(fields.items()):
        value = pl.col(f"field_{position}").cast(field.dtype, strict=False)
        columns.append(pl.when(whole & value.is_between(field.lowest, field.highest)).then(value).alias(name))
    split = pl.col("text").str.splitn(separator, len(fields) + 1).struct.unnest()
    rows = _rows(path, header).select("line", "text", split).select("line", "text", *columns)

    ratings = _collect(path, rows.select(*fields))
    if sum(ratings.null_count().row(0)) == 0:
        return ratings
    malformed = _malformed(path, rows, *fields)
    first = malformed.row(0, named=True)
    found = first["text"].split(separator)
    if len(found) != len(fields):
        reason = f"{len(found)} field{'s' * (len(found) != 1)} where {separator!r} should separate {', '.join(fields)}"
    else:
        name, text = next((name, text) for name, text in zip(fields, found, strict=True) if first[name] is None)
        reason = f"{name} {_quote(text)} is not {fields[name].meaning}"
    raise _refusal(path, malformed, reason)


def read_categories(
    path: Path, pattern: str, form: str, header: str | None = None, any_bytes: bool = False
) -> pl.DataFrame:
    """Read a file with one item per line and the item's categories, separated by ``|``.

    Args:
        path: the file.
        pattern: regular expression of a whole line, with the groups ``item`` and ``categories``.
        form: the same for a human reader, for error messages.
        header: the first line that the file must have, if it has a header.
        any_bytes: whether what is not UTF-8 is read as Latin-1, in which titles of older data sets are.

    Returns:
        Columns ``item`` (Int64) and ``categories`` (List(String), empty for an item without).

    Raises:
        DataError: if the file is missing, empty, not UTF-8, has another header, or has malformed rows.
    """
    groups = pl.col("text").str.extract_groups(f"^{pattern}$").struct
    item = groups.field("item").cast(pl.Int64, strict=False)
    categories = groups.field("categories").str.extract_all(r"[^|]+")
    rows = _rows(path, header, any_bytes).select("line", "text", item.alias("item"), categories.alias("categories"))

    items = _collect(path, rows.select("item", "categories"))
    if items["item"].null_count() == 0:
        return items
    raise _refusal(path, _malformed(path, rows, "item"), f"the row is not of the form {form!r}")


def _rows(path: Path, header: str | None, any_bytes: bool = False) -> pl.LazyFrame:
    """The file's rows: ``line`` (counted from 1, header and blank lines included) and ``text``."""
    if not path.is_file():
        raise DataError(f"there is no file {path}: give the folder that holds {path.name} with --data.root FOLDER")
    content = io.BytesIO(path.read_bytes().decode("latin-1").encode()) if any_bytes else path
    lines = pl.scan_lines(content, name="text", row_index_name="line", row_index_offset=1, glob=False)
    lines = lines.with_columns(pl.col("text").str.strip_prefix("\ufeff"))
    if header is not None:
        first = _collect(path, lines.head(1))["text"].to_list()
        if first != [header]:
            found = f"{_quote(first[0])} is not the header" if first else "the file is empty, without even the header"
            raise DataError(f"{path}:1: {found} {header!r}")
        lines = lines.slice(1)
    rows = lines.filter(pl.col("text") != "")
    if _collect(path, rows.head(1)).is_empty():
        raise DataError(f"{path} has no rows: fetch the file again, or give another folder with --data.root FOLDER")
    return rows


def _collect(path: Path, rows: pl.LazyFrame) -> pl.DataFrame:
    try:
        return rows.collect(engine="streaming")
    except pl.exceptions.ComputeError:
        content = path.read_bytes()
        try:
            content.decode()
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            reason = f"byte 0x{content[error.start]:02x} is not UTF-8: convert the file to UTF-8"
            raise DataError(f"{path}:{line}: {reason}") from None
        raise


def _malformed(path: Path, rows: pl.LazyFrame, *columns: str) -> pl.DataFrame:
    return _collect(path, rows.filter(pl.any_horizontal(pl.col(*columns).is_null())))


def _refusal(path: Path, malformed: pl.DataFrame, reason: str) -> DataError:
    first: dict[str, Any] = malformed.row(0, named=True)
    more = len(malformed) - 1
    others = f"; {more} more {'row is' if more == 1 else 'rows are'} malformed" if more else ""
    return DataError(f"{path}:{first['line']}: {reason} (row: {_quote(first['text'])}){others}")


def _quote(text: str, longest: int = 100) -> str:
    return repr(text if len(text) <= longest else text[:longest] + "…")
