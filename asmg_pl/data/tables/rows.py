"""Reads files into typed rows. The schema is checked first; malformed rows are set aside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import polars as pl
from tqdm import tqdm

from asmg_pl.data.tables.ahead import ahead
from asmg_pl.data.tables.columns import Column
from asmg_pl.data.tables.files import TableFile
from asmg_pl.data.tables.header import problems
from asmg_pl.data.tables.late import Late
from asmg_pl.data.tables.quarantine import Quarantine
from asmg_pl.data.tables.times import ANY_TIME, UNITS, Plausible, TimeUnit, implausible
from asmg_pl.errors import DataError
from asmg_pl.system.screen import bar_options

_SAMPLE = 1000  # rows by which a column's meaning is judged
_SAMPLE_BYTES = 1 << 18


def check_schema(
    kinds: Sequence[tuple[Sequence[TableFile], Sequence[Column], str]], unit: TimeUnit, plausible: Plausible = ANY_TIME
) -> None:
    """Check headers, types, and whether the first rows fit the meanings of the columns.

    Args:
        kinds: files, the columns that each of them should have, and the advice about a file without a header.
        unit: the unit of the times.
        plausible: times that are accepted.

    Raises:
        DataError: if a column is wrong. The message names all wrong columns of all files.
    """
    found = []
    for tables, columns, mend in kinds:
        for one, other in combinations(columns, 2):
            if one.name == other.name:
                found.append(f"{one.option} and {other.option} both name column {one.name!r}: each needs its own")
        for table in tables:
            needed = [*columns, *table.needs]
            wrong = problems(needed, table.columns, table.type_of, mend if table.has_header else None)
            wrong = wrong or _contradictions(table, columns, unit, plausible)
            found += [f"{table.path}: {problem}" for problem in wrong]
    if found:
        raise DataError("\n".join(found))


def _contradictions(table: TableFile, columns: Sequence[Column], unit: TimeUnit, plausible: Plausible) -> list[str]:
    """List the columns whose first values cannot be read at all, or only in another unit."""
    first = next(table.read({c.role: c.name for c in columns}, _SAMPLE_BYTES), None)
    if first is None:
        return []
    sample = first[0].filter(pl.col("fault").is_null()).head(_SAMPLE).collect()
    found = []
    for column in columns:
        texts = sample[column.role].drop_nulls()
        other = implausible(texts, unit, plausible) if column.role == "time" and len(texts) else None
        values = texts.to_frame("text").select(column.parse(pl.col("text"))).to_series()
        if other:
            found.append(f"column {column.name!r} ({column.option}) {other}")
        elif len(texts) and values.null_count() == len(texts):
            none = f"none of its first values, as {texts[0]!r}, is {column.meaning}"
            units = (
                f" (--time-unit also has {', '.join(u for u in UNITS if u != unit)})" if column.role == "time" else ""
            )
            found.append(f"column {column.name!r} ({column.option}): {none}{units}")
    return found


def read_rows(
    tables: Sequence[TableFile],
    columns: Sequence[Column],
    quarantine: Quarantine,
    keep: pl.Expr | None = None,
    late: Late | None = None,
    file: str | None = None,
) -> tuple[pl.DataFrame, int]:
    """Read files whose schema has been checked.

    Args:
        tables: the files, one after the other.
        columns: the columns to read.
        quarantine: takes the malformed rows.
        keep: which of the sound rows to keep; by default all.
        late: the rule that tells late rows, which are then marked with their line and text; by default there is none.
            With a rule, the number of malformed rows is the caller's to check.
        file: the name of a column to add, UInt32, with the number of the row's file, counted from 0.

    Returns:
        A column for each role, in the order of the files, and the number of sound rows that were not kept. Ids are
        Int64 if all are whole numbers in their usual spelling (no sign but -, no leading zeros), and otherwise String.

    Raises:
        DataError: if a file is damaged, or too many rows are malformed.
    """
    frames, left_out = [], 0
    with progress("read", sum(table.path.stat().st_size for table in tables), "B") as bar:
        for number, table in enumerate(tables):
            source = [] if file is None else [pl.lit(number, pl.UInt32).alias(file)]
            for block in blocks_of(table, columns, quarantine, keep, late):
                left_out += block.left_out
                frames.append(block.rows.with_columns(*source))
                bar.update(block.size)
    if late is None:
        quarantine.check()
    if not frames:
        return pl.DataFrame(schema=[c.role for c in columns]), left_out
    # The first id that is no whole number may come late; the ids before it then become text again.
    texts = {name for frame in frames for name, kind in frame.schema.items() if kind == pl.String}
    return pl.concat(
        frame.with_columns(pl.col(*texts).cast(pl.String)) if texts else frame for frame in frames
    ), left_out


class RowBlock(NamedTuple):
    """Some rows of a file.

    Attributes:
        rows: a column for each role, see :func:`read_rows`; ids of one block are Int64 if all of the block can be.
        left_out: the number of sound rows that were not kept.
        size: the number of bytes of the file that the rows took.
    """

    rows: pl.DataFrame
    left_out: int
    size: int


def blocks_of(
    table: TableFile,
    columns: Sequence[Column],
    quarantine: Quarantine,
    keep: pl.Expr | None = None,
    late: Late | None = None,
) -> Iterator[RowBlock]:
    """Read the rows of one file, block by block; the arguments are those of :func:`read_rows`.

    Raises:
        DataError: if the file is damaged.
    """
    for records, size in ahead(table.read({c.role: c.name for c in columns})):
        sound = _sound(table, records, columns, quarantine)
        kept = sound if keep is None else sound.filter(keep)
        left_out = len(sound) - len(kept)
        if late is not None:
            kept = late.mark(kept, records, columns, keep)
        yield RowBlock(kept.with_columns(_as_integers(kept[c.role]) for c in columns if c.is_id), left_out, size)


def first_place(tables: Sequence[TableFile], columns: Sequence[Column], role: str, condition: pl.Expr) -> str | None:
    """Find the file and line of the first row whose value in a column fulfils a condition. It reads the files again."""
    (column,) = (c for c in columns if c.role == role)
    for table in tables:
        for records, _ in table.read({role: column.name}):
            value = records.select("line", column.parse(pl.col(role)).alias(role))
            found = value.filter(condition).head(1).collect()
            if len(found):
                return f"{table.path}:{found['line'][0]}"
    return None


def progress(what: str, total: int, unit: str) -> tqdm[Any]:
    """A progress bar, shown after half a second."""
    return tqdm(
        total=total,
        desc=what,
        unit=unit,
        unit_scale=True,
        delay=0.5,
        **bar_options(),
    )


def _sound(table: TableFile, records: pl.LazyFrame, columns: Sequence[Column], quarantine: Quarantine) -> pl.DataFrame:
    """The typed rows of a block. Only if one is malformed, the block is read again for lines and reasons."""
    read = records.select(c.read(pl.col(c.role)).alias(c.role) for c in columns).collect(engine="streaming")
    rows = read.with_columns(c.rest.parse(read[c.role]) for c in columns if c.rest)
    if not sum(rows.null_count().row(0)):
        return rows
    values = {c.role: c.parse(pl.col(c.role)) for c in columns}
    reasons = [pl.when(values[c.role].is_null()).then(c.reason(pl.col(c.role))) for c in columns]
    malformed = records.select("line", "text", reason=pl.coalesce("fault", *reasons)).filter(
        pl.col("reason").is_not_null()
    )
    quarantine.add(table.path, malformed.collect())
    return rows.drop_nulls()


def _as_integers(ids: pl.Series) -> pl.Series:
    """The ids as Int64 if this keeps their spelling, otherwise unchanged."""
    integers = ids.cast(pl.Int64, strict=False)
    odd = ids.str.starts_with("+") | ids.str.starts_with("-0") | (ids.str.starts_with("0") & (ids.str.len_bytes() > 1))
    return ids if integers.null_count() or odd.any() else integers
