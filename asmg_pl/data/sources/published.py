"""Reads the files of published data sets with the strict reader of :mod:`asmg_pl.data.tables`.

A published file is complete and has one form, so no malformed row is accepted, and nothing about a file is guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from asmg_pl.data.tables.columns import Column
from asmg_pl.data.tables.files import ParquetFile, TableFile, TextFile
from asmg_pl.data.tables.header import problems
from asmg_pl.data.tables.quarantine import Quarantine
from asmg_pl.data.tables.rows import read_rows
from asmg_pl.data.tables.text import Dialect
from asmg_pl.errors import DataError

CSV = Dialect(",")
#: Fields between double colons, without quotes: the form of older data sets.
COLONS = Dialect("::", quote="")
#: Each line is one field, whatever it contains.
LINES = Dialect("\n", quote="")

_LAST_TIME = 10**11  # seconds since 1970; times in milliseconds are larger


def read_file(
    path: Path,
    columns: Sequence[Column],
    dialect: Dialect = CSV,
    names: Sequence[str] = (),
    encoding: str = "utf-8",
    keep: pl.Expr | None = None,
) -> pl.DataFrame:
    """Read the rows of a file of text, or of a Parquet file if its name ends in ``.parquet``.

    Args:
        path: the file. If its name ends in ``.gz`` and there is no such file, the unpacked one is read.
        columns: the columns to read.
        dialect: how lines are cut into fields.
        names: the names of the file's columns, if it has no header.
        encoding: the encoding of the text.
        keep: which rows to keep; by default all.

    Returns:
        A column for each role, in the order of the file.

    Raises:
        DataError: if the file is missing, damaged or empty, lacks a column, or has malformed rows. The message names
            file, line and reason.
    """
    if not path.is_file() and (plain := path.with_name(path.name.removesuffix(".gz"))).is_file():
        path = plain
    if not path.is_file():
        raise DataError(f"there is no file {path}: give the folder that holds {path.name} with --data.root FOLDER")
    file: TableFile = ParquetFile(path) if path.suffix == ".parquet" else TextFile(path, dialect, names, encoding)
    if wrong := problems(columns, file.columns, file.type_of, "fetch the file again" if file.has_header else None):
        raise DataError("\n".join(f"{path}: {problem}" for problem in wrong))
    rows, left_out = read_rows([file], columns, Quarantine(), keep)
    if rows.is_empty() and not left_out:
        raise DataError(f"{path} has no rows: fetch the file again, or give another folder with --data.root FOLDER")
    return rows


def number(role: str, name: str) -> Column:
    """A column of ids that are whole numbers: ``0010`` and ``10`` are one id."""

    def parse(text: pl.Expr) -> pl.Expr:
        value = text.cast(pl.Int64, strict=False)
        return pl.when(value >= 0).then(value)

    return Column(role, role, name, parse, "a whole number of at least 0")


def rating(name: str, lowest: float, highest: float) -> Column:
    """A column of ratings, Float64, both ends of the range included."""

    def parse(text: pl.Expr) -> pl.Expr:
        value = text.cast(pl.Float64, strict=False)
        return pl.when(value.is_between(lowest, highest)).then(value)

    return Column("rating", "rating", name, parse, f"a number between {lowest:g} and {highest:g}")


def seconds(name: str) -> Column:
    """A column of times, whole seconds since 1970."""

    def parse(text: pl.Expr) -> pl.Expr:
        value = text.cast(pl.Int64, strict=False)
        return pl.when(value.is_between(1, _LAST_TIME)).then(value)

    return Column("time", "time", name, parse, "a whole number of seconds since 1970 (divide milliseconds by 1000)")


def read_ratings(
    path: Path, rating_range: tuple[float, float], names: Sequence[str] = ("user", "item", "rating", "time")
) -> pl.DataFrame:
    """Read a file of ratings: CSV with a header, or ``.dat`` with fields between double colons and no header.

    Args:
        path: the file.
        rating_range: the lowest and the highest possible rating.
        names: the names of the columns of user, item, rating and time.

    Returns:
        Columns ``user``, ``item`` (Int64), ``rating`` (Float64) and ``time`` (Int64, seconds since 1970), in the order
        of the file.

    Raises:
        DataError: see :func:`read_file`.
    """
    user, item, score, time = names
    columns = [number("user", user), number("item", item), rating(score, *rating_range), seconds(time)]
    if path.suffix == ".dat":
        return read_file(path, columns, COLONS, names)
    return read_file(path, columns)


def read_titles(path: Path, encoding: str = "utf-8") -> pl.DataFrame:
    """Read a ``.dat`` file whose lines are ``item::title::category|category``.

    A title may contain the double colon and a category never does, so a line is read as one field, from both its ends.

    Args:
        path: the file.
        encoding: the encoding of the titles.

    Returns:
        Columns ``item`` (Int64) and ``categories`` (List(String), empty for an item without categories).

    Raises:
        DataError: see :func:`read_file`.
    """
    parts = r"^([0-9]+)::.*::([^:]*)$"
    form = "the row is not of the form 'movie::title::genre|genre'"

    def item(text: pl.Expr) -> pl.Expr:
        return text.str.extract(parts, 1).cast(pl.Int64, strict=False)

    def categories(text: pl.Expr) -> pl.Expr:
        return separated(text.str.extract(parts, 2))

    columns = [
        Column(role, role, "line", parse, "", why=lambda text: pl.lit(form))
        for role, parse in (("item", item), ("categories", categories))
    ]
    return read_file(path, columns, LINES, ["line"], encoding)


def separated(text: pl.Expr) -> pl.Expr:
    """The texts between vertical bars, List(String)."""
    return text.str.extract_all(r"[^|]+")
