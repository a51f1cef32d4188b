"""Reads files, or the rows of a DataFrame, in the executors, with the reader that Polars' conversion has.

    a task for each file      blocks ─▶ sound rows, malformed rows, and at last a tally
    a task for each partition of a DataFrame, likewise

A text file is read by one task, since the number of a line is known only where the lines before it are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pyspark import TaskContext
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from asmg_pl.convert.described import opened
from asmg_pl.convert.meanings import item_columns, row_columns, user_columns
from asmg_pl.convert.rules import Rules
from asmg_pl.convert.settings import Settings
from asmg_pl.convert.spark.ordering import keep
from asmg_pl.convert.spark.tasks import collected, mapped
from asmg_pl.convert.views import dated, left_out_by_where, viewed
from asmg_pl.data.tables.columns import Column
from asmg_pl.data.tables.files import TableFile, spelled
from asmg_pl.data.tables.late import Late
from asmg_pl.data.tables.opening import open_tables
from asmg_pl.data.tables.quarantine import Quarantine
from asmg_pl.data.tables.rows import blocks_of
from asmg_pl.data.tables.text import BLOCK
from asmg_pl.data.tables.times import UNITS, Plausible
from asmg_pl.errors import DataError, UserError

_ROW, _MALFORMED, _TALLY = range(3)
_HEAD = {"kind": "int", "file": "int", "row": "bigint", "line": "bigint", "text": "string", "reason": "string"}
_PLAIN = {"label": "int", "time": "bigint"}
_FLOATS = ("number ", "weight ", "further ")
_POLARS: dict[str, Any] = {
    **{"int": pl.Int32, "bigint": pl.Int64, "float": pl.Float32, "string": pl.String},
    "array<string>": pl.List(pl.String),
}
#: How a DataFrame is called in messages and in the list of malformed rows.
FRAME = Path("the DataFrame")


def name_of(role: str) -> str:
    """The column of a frame that holds a role; the names of features may have any character."""
    return role if role.isidentifier() else "f_" + role.encode().hex()


def type_of(column: Column) -> str:
    """The type of a column's values in a frame."""
    if column.role.startswith(_FLOATS):
        return "float"
    if column.role.startswith("list "):
        return "array<string>"
    return _PLAIN.get(column.role, "bigint" if column.role.startswith("whole ") else "string")


class RowsOfFrame(TableFile):
    """Rows of a DataFrame, whose values are read as a text file would spell them."""

    def __init__(self, rows: pl.DataFrame) -> None:
        """Take rows; times with a zone become those of UTC."""
        zoned = [name for name, kind in rows.schema.items() if isinstance(kind, pl.Datetime) and kind.time_zone]
        utc = [pl.col(name).dt.convert_time_zone("UTC").dt.replace_time_zone(None) for name in zoned]
        self.path = FRAME
        self.columns = rows.columns
        self._rows = rows.with_columns(utc)

    def type_of(self, column: str) -> pl.DataType:
        """See :meth:`TableFile.type_of`."""
        return self._rows.schema[column]

    def read(self, wanted: dict[str, str], size: int = BLOCK) -> Iterator[tuple[pl.LazyFrame, int]]:
        """See :meth:`TableFile.read`; all rows are one block."""
        yield spelled(self._rows.select(*dict.fromkeys(wanted.values())), wanted, 1), 0


@dataclass(frozen=True)
class Reader:
    """Reads rows in an executor.

    Attributes:
        settings: the meaning of the rows.
        plausible: the range of times that is accepted.
        rules: which rows are taken.
        ended: the end of the stream to which rows are added, seconds; ``None`` for a new stream.
        side: whose features the rows are, that of users or of items; ``None`` for interactions.
        order: columns that order the rows of a DataFrame, with their types.
    """

    settings: Settings
    plausible: Plausible
    rules: Rules
    ended: int | None = None
    side: Literal["user", "item"] | None = None
    order: tuple[tuple[str, str], ...] = ()

    @property
    def columns(self) -> list[Column]:
        """The columns to read."""
        if self.side is not None:
            return {"user": user_columns, "item": item_columns}[self.side](self.settings, self.plausible)
        return [*row_columns(self.settings, self.plausible), *(_of_order(*column) for column in self.order)]

    @property
    def types(self) -> dict[str, str]:
        """The columns of all that is read."""
        return _HEAD | {name_of(column.role): type_of(column) for column in self.columns}

    def open(self, path: str) -> TableFile:
        """Open a file as the settings have it."""
        if self.side is None:
            return opened([path], self.settings)[0]
        time = {"user": self.settings.user_time, "item": self.settings.item_time}[self.side]
        return dated(open_tables([path], *self.settings.dialect), time, self.settings.time_format)[0]

    def read(self, number: int, tables: Iterable[TableFile], begin: int = 0) -> Iterator[pl.DataFrame]:
        """Read tables one after the other, which are one file; a tally comes last, with an error if there is one.

        Args:
            number: the number of the file.
            tables: its tables.
            begin: the number of the first row, where several tasks read what counts as one file.
        """
        quarantine, left_out, rows, filtered, error = Quarantine(self.rules.max_bad_rows), 0, 0, 0, ""
        integers = {column.role: True for column in self.columns if column.is_id}
        try:
            for table in tables:
                for found, more in self._rows(table, quarantine, integers):
                    yield self._framed(found, _ROW, number, begin + rows)
                    rows, left_out = rows + len(found), left_out + more
                filtered += left_out_by_where([table])
        except UserError as problem:
            error = str(problem)
        if (malformed := quarantine.rows) is not None:
            yield self._framed(malformed.drop("file"), _MALFORMED, number, 0)
        tally = Tally(rows, left_out, filtered, quarantine.count, integers, error)
        yield self._framed(pl.DataFrame({"text": [json.dumps(vars(tally))]}), _TALLY, number, 0)

    def _rows(
        self, table: TableFile, quarantine: Quarantine, integers: dict[str, bool]
    ) -> Iterator[tuple[pl.DataFrame, int]]:
        unit = self.settings.read_unit
        rule = None if self.ended is None or self.side else Late(self.ended, pl.col("time") // UNITS[unit][0])
        days = None if self.side else self.rules.days(unit)
        for block in blocks_of(table, self.columns, quarantine, days, rule):
            for role in integers:
                integers[role] &= block.rows[role].dtype.is_integer()
            yield block.rows.rename({column.role: name_of(column.role) for column in self.columns}), block.left_out

    def _framed(self, found: pl.DataFrame, kind: int, number: int, begin: int) -> pl.DataFrame:
        """All columns of what is read; null for those that ``found`` has not."""
        head = {"kind": pl.lit(kind), "file": pl.lit(number), "row": pl.int_range(begin, begin + pl.len())}
        types = {name: _POLARS[kind] for name, kind in self.types.items()}
        found = found.with_columns(**head)
        missing = [pl.lit(None, kind).alias(name) for name, kind in types.items() if name not in found.columns]
        return found.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in types.items())


@dataclass(frozen=True)
class Tally:
    """What was read of a file, or of all files.

    Attributes:
        rows: the number of sound rows that were kept.
        left_out: the number of sound rows of other days.
        filtered: the number of rows that do not fulfil the conditions.
        malformed: the number of malformed rows.
        integers: by role, whether all ids are whole numbers in their usual spelling.
        error: why the file cannot be read; empty if it can.
    """

    rows: int = 0
    left_out: int = 0
    filtered: int = 0
    malformed: int = 0
    integers: dict[str, bool] = field(default_factory=dict)
    error: str = ""


def read_files(reader: Reader, tables: Sequence[TableFile], spark: Any) -> DataFrame:
    """All that is read of files, a task for each."""
    paths = [str(table.path) for table in tables]

    def task(numbers: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for table in numbers:
            for number in table["id"]:
                yield from reader.read(number, _opened(reader, paths[number]))

    return mapped(spark.range(0, len(paths), 1, max(1, len(paths))), task, reader.types)


def read_frame(reader: Reader, frame: DataFrame) -> DataFrame:
    """All that is read of a DataFrame, a task for each of its partitions."""
    settings = reader.settings

    def task(tables: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        context = TaskContext.get()
        begin = 0 if context is None else context.partitionId() << 40
        yield from reader.read(0, (viewed([RowsOfFrame(table)], settings)[0] for table in tables), begin)

    return mapped(frame, task, reader.types)


def _opened(reader: Reader, path: str) -> Iterator[TableFile]:
    """Open a file within the reading, so that an error is told with the file's tally."""
    yield reader.open(path)


@dataclass(frozen=True)
class Read:
    """The rows of tables, as frames.

    Attributes:
        rows: the sound rows: ``file``, ``row`` within it, ``line`` and ``text`` of a late row, and a column for each
            role, see :func:`name_of`.
        columns: the columns that were read.
        tally: what was read of all tables.
    """

    rows: DataFrame
    columns: Sequence[Column]
    tally: Tally


def sorted_out(
    found: DataFrame, reader: Reader, paths: Sequence[Path], quarantine: Quarantine, stack: ExitStack
) -> Read:
    """Read, keep the sound rows, and put the malformed ones into the quarantine.

    Args:
        found: all that is read.
        reader: the reader.
        paths: the files by their numbers.
        quarantine: takes the malformed rows; the caller checks their number.
        stack: frees the rows.

    Raises:
        DataError: if a file cannot be read; the first such file is told.
    """
    found = keep(found, stack)
    told = sorted(collected(found.where(F.col("kind") == _TALLY)), key=lambda row: row["file"])
    tallies = [Tally(**json.loads(row["text"])) for row in told]
    if errors := [tally.error for tally in tallies if tally.error]:
        raise DataError(errors[0])
    if malformed := sum(tally.malformed for tally in tallies):
        order = ("text", "reason") if paths == [FRAME] else ("file", "row")
        few = collected(found.where(F.col("kind") == _MALFORMED).orderBy(*order).limit(quarantine.longest))
        table = pl.DataFrame(few, infer_schema_length=None).select(
            "file", pl.col("line").cast(pl.Int64), "reason", "text"
        )
        line = pl.lit(None, pl.Int64).alias("line") if paths == [FRAME] else pl.col("line")
        by_file = table.with_columns(line).partition_by("file", maintain_order=True)
        for left, rows in zip(range(len(by_file) - 1, -1, -1), by_file, strict=True):
            quarantine.add(paths[rows["file"][0]], rows, 0 if left else malformed - len(table))
    roles = [column.role for column in reader.columns if column.is_id]
    tally = Tally(
        rows=sum(tally.rows for tally in tallies),
        left_out=sum(tally.left_out for tally in tallies),
        filtered=sum(tally.filtered for tally in tallies),
        malformed=malformed,
        integers={role: all(tally.integers.get(role, True) for tally in tallies) for role in roles},
    )
    return Read(found.where(F.col("kind") == _ROW).drop("kind", "reason"), reader.columns, tally)


def _of_order(name: str, kind: str) -> Column:
    """A column that orders the rows of a DataFrame."""
    role = f"{'whole' if kind == 'bigint' else 'text'} {name}"
    whole = kind == "bigint"

    def parse(text: pl.Expr) -> pl.Expr:
        return text.cast(pl.Int64, strict=False) if whole else text

    return Column(role, "order", name, parse, "a place in the order")
