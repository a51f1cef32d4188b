"""Your own tables become a stream."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import cast

import polars as pl

from asmg_pl.convert.settings import Settings
from asmg_pl.data.log import Sizes
from asmg_pl.data.negatives import add_negatives
from asmg_pl.data.stream import StreamWriter, open_stream, read_names
from asmg_pl.errors import ConfigError, DataError
from asmg_pl.tables.columns import UNITS
from asmg_pl.tables.files import open_tables
from asmg_pl.tables.quarantine import Quarantine
from asmg_pl.tables.rows import check_schema, progress, read_rows

_DAY, _EPOCH = 24 * 60 * 60, date(1970, 1, 1).toordinal()
_FOREVER = 2**62
_PART = 2**24  # rows of a part, at most


@dataclass(frozen=True)
class Conversion:
    """What a conversion has written.

    Attributes:
        rows: rows written now, sampled negatives included.
        left_out: sound rows before ``start`` or after ``end``.
        quarantined: malformed rows.
        without_negative: negatives that are missing because a user had interacted with every item that had
            appeared by then.
        without_category: whether categories were given, of which no item of the stream has one.
        label_mean: share of positives among the rows written now.
        first: the earliest time written now, seconds since 1970.
        last: the latest.
        stream_rows: rows of the whole stream.
        sizes: users, items, categories and context features of the whole stream.
    """

    rows: int
    left_out: int
    quarantined: int
    without_negative: int
    without_category: bool
    label_mean: float
    first: int
    last: int
    stream_rows: int
    sizes: Sizes


def convert(
    files: Sequence[str | Path],
    out: str | Path,
    settings: Settings,
    items: str | Path | None = None,
    append: bool = False,
    max_bad_rows: int = 0,
    start: str | None = None,
    end: str | None = None,
) -> Conversion:
    """Convert tables of interactions to a stream, which ``asmg fit`` walks.

    The rows may be in any order; those of equal time keep theirs. Everything is checked before anything is written.

    Args:
        files: CSV or TSV with a header (UTF-8, maybe compressed: .gz), Parquet, or folders with parts of these.
        out: folder of the stream.
        settings: what the rows mean.
        items: table of the items' categories, with one row per item, or several.
        append: add to the stream, which ends before these rows begin; options not given are as they were then.
        max_bad_rows: malformed rows to leave out. They are listed in the stream's quarantine.csv with file, line and
            reason. 0 by default, since only you can say which rows a stream may lack.
        start: first day to keep (UTC), as in 2014-01-31.
        end: last day to keep (UTC).

    Raises:
        ConfigError: if the options contradict each other or the stream.
        DataError: if a file is missing or damaged, columns are not what they should be, too many rows are malformed, or
            there is no row.
    """
    folder = Path(out)
    if append and not folder.is_dir():
        raise ConfigError(f"there is no stream {folder} to append to: leave --append out")
    if not append and folder.exists():
        raise ConfigError(f"{folder} exists: choose another --out, or add newer rows to it with --append")
    if not (place := next(parent for parent in folder.absolute().parents if parent.exists())).is_dir():
        raise ConfigError(f"{place} is a file, in which --out {folder} cannot be: choose another --out")
    if max_bad_rows < 0:
        raise ConfigError(f"--max-bad-rows must not be negative, got {max_bad_rows}")
    if append:
        settings = Settings.of(vars(settings), folder)
    if items is not None and settings.item_id is None:
        raise ConfigError("--items needs --item-id COL and --categories COL: they name its columns")
    if items is None and settings.item_id is not None and not append:
        raise ConfigError("--item-id COL and --categories COL name columns of a table of items: give --items FILE")
    first_day, last_day = _day("--start", start), _day("--end", end)
    if first_day and last_day and first_day > last_day:
        raise ConfigError(f"--start {start} is later than --end {end}: no day lies between them")

    quarantine = Quarantine(max_bad_rows)
    tables, columns = open_tables(files, *settings.dialect), settings.columns()
    catalogue = open_tables([] if items is None else [items], *settings.dialect)
    check_schema([(tables, columns), (catalogue, settings.item_columns())], settings.time_unit)
    second = pl.col("time") // UNITS[settings.time_unit][0]
    rows, left_out = read_rows(tables, columns, quarantine, _within(second, first_day, last_day))
    if rows.is_empty():
        why = f"all {left_out:,} lie outside of --start and --end" if left_out else "there is none in these files"
        raise DataError(f"no row to convert: {why}")
    categories, _ = read_rows(catalogue, settings.item_columns(), quarantine)
    quarantine.check()

    del tables
    rows = rows.sort("time", maintain_order=True).with_columns(time=second)
    rows = rows.rename({column.role: column.name for column in columns if column.role.startswith("context ")})
    rows = _as_in(folder, rows) if append else rows
    positives = len(rows)
    if settings.all_positive:
        rows = rows.with_columns(label=pl.lit(1, pl.UInt8))
    if settings.negatives:
        past = _past(folder) if append else None
        rows = add_negatives(rows, settings.negatives, settings.negative_rule, settings.seed, past)
    known = None if items is None else _catalogue(categories, rows["item"].dtype, settings.separator)
    with _aside(folder, append) as stream:
        writer = StreamWriter(stream, settings.history, settings.carry)
        # A new stream is beside its place until it is whole, so that it can be written in parts, which bounds memory.
        parts = [rows] if append else rows.iter_slices(_PART)
        with progress("write", len(rows), " rows") as bar:
            for part in parts:
                writer.append(part, known)
                bar.update(len(part))
        settings.write(stream)
        quarantine.write(stream)
    log = open_stream(folder)
    return Conversion(
        rows=len(rows),
        left_out=left_out,
        quarantined=quarantine.count,
        without_negative=positives * (1 + settings.negatives) - len(rows),
        without_category=items is not None and not log.sizes.categories,
        label_mean=float(cast(float, rows["label"].mean())),
        first=rows["time"][0],
        last=rows["time"][-1],
        stream_rows=len(log),
        sizes=log.sizes,
    )


def _catalogue(table: pl.DataFrame, kind: pl.DataType, separator: str) -> pl.DataFrame:
    """Columns ``item``, of the type that it has in the stream, and ``categories``, a list of all that the item has."""
    item = pl.col("item").cast(kind, strict=False)  # an id of another kind is no item of this stream
    categories = pl.col("categories").str.split(separator)
    pairs = table.select(item, categories).drop_nulls("item").explode("categories")
    pairs = pairs.filter(pl.col("categories") != "").unique(maintain_order=True)
    return pairs.group_by("item", maintain_order=True).agg("categories")


def _past(folder: Path) -> pl.DataFrame:
    """The stream's positive rows: users and items by name, and times."""
    log = open_stream(folder)
    positive = log.label.bool()
    names = {"user": read_names(folder, "users"), "item": read_names(folder, "items")}
    ids = {"user": log.user[positive].numpy(), "item": log.item[positive].numpy()}
    columns = {role: names[role].gather(ids[role]).alias(role) for role in names}
    return pl.DataFrame({**columns, "time": log.time[positive].numpy()})


def _as_in(folder: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with their ids as text where the stream's are; text where these are numbers is refused."""
    kinds = {"user": read_names(folder, "users").dtype, "item": read_names(folder, "items").dtype}
    for name, kind in kinds.items():
        if kind.is_integer() and rows[name].dtype == pl.String:
            odd = rows[name].filter(rows[name].cast(pl.Int64, strict=False).is_null())
            shown = repr(odd[0]) if len(odd) else "numbers with a sign or zeros before them"
            raise DataError(
                f"all {name} ids of the stream in {folder} are whole numbers, but these rows have {shown}: mend "
                "them, or convert all tables together into a new stream"
            )
    return rows.with_columns(pl.col(name).cast(pl.String) for name, kind in kinds.items() if kind == pl.String)


def _within(time: pl.Expr, first: date | None, last: date | None) -> pl.Expr | None:
    """Whether a time, in seconds, lies within these days; ``None`` if there is no limit."""
    if first is None and last is None:
        return None
    begin = 0 if first is None else (first.toordinal() - _EPOCH) * _DAY
    end = _FOREVER if last is None else (last.toordinal() - _EPOCH + 1) * _DAY
    return time.is_between(begin, end, closed="left")


@contextmanager
def _aside(folder: Path, append: bool) -> Iterator[Path]:
    """Where to write: a new stream beside its place, to which it moves when it is whole; else the stream itself."""
    if append:
        yield folder
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as aside:
        stream = Path(aside) / "stream"
        yield stream
        stream.rename(folder)


def _day(option: str, text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} {text!r} is not a date: write it as in 2014-01-31") from None
