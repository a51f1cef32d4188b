"""Input files: their columns, and their rows block by block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from asmg_pl.data.tables import lists
from asmg_pl.data.tables.columns import Column
from asmg_pl.data.tables.header import unlike_a_header
from asmg_pl.data.tables.text import BLOCK, Block, Dialect, blocks
from asmg_pl.errors import DataError

_BEFORE = 1 << 16  # bytes before the last line, with which it is compared
_FEW = 3  # the least number of lines to compare with


class TableFile(ABC):
    """A file with named columns.

    Attributes:
        path: where it is.
        columns: the names of its columns.
        has_header: whether these names are a line of the file.
        needs: the columns that are read whichever are wanted, such as that of a condition.
    """

    path: Path
    columns: list[str]
    has_header = False
    needs: Sequence[Column] = ()

    @abstractmethod
    def type_of(self, column: str) -> pl.DataType:
        """The type of a column's values in the file."""

    @abstractmethod
    def read(self, wanted: dict[str, str], size: int = BLOCK) -> Iterator[tuple[pl.LazyFrame, int]]:
        """Read the rows.

        Args:
            wanted: the columns to read, by the names of the fields to yield.
            size: the approximate number of bytes of text to read at a time.

        Yields:
            Some rows, and the number of bytes of the file that they took. The columns are ``line`` (counted from 1),
            ``text`` (the whole row), ``fault`` (why the row is malformed, else null), and the wanted fields, String.

        Raises:
            DataError: if the file is damaged or not UTF-8.
        """


class TextFile(TableFile):
    """A file of delimited text, plain or compressed with gzip or zstd.

    Attributes:
        first: the fields of its first record, which are the names of the columns if the file has a header.
    """

    def __init__(self, path: Path, dialect: Dialect, names: Sequence[str] = (), encoding: str = "utf-8") -> None:
        """Read the first record.

        Args:
            path: the file.
            dialect: how its lines are cut into fields.
            names: the names of its columns, if it has no header.
            encoding: the encoding of the text.

        Raises:
            DataError: if the file is missing, empty, damaged or not in this encoding, or its header is not of this
                dialect.
        """
        self.path = path
        self.has_header = not names
        self._dialect = dialect
        self._encoding = encoding
        first = next(blocks(path, dialect.quote, 1 << 18, encoding), None)
        self.first, self._header_lines = dialect.header(first.content) if first else ([], 0)
        if not self.first:
            raise DataError(f"{path} is empty, without even a header: remove it, or fetch it again")
        if self.has_header and (problem := unlike_a_header(self.first)):
            raise DataError(f"{path}: {problem}")
        self.columns = list(names) or self.first
        if not self.has_header:
            self._header_lines = 0

    def type_of(self, column: str) -> pl.DataType:
        """See :meth:`TableFile.type_of`; all columns of a text file are text."""
        return pl.String()

    def read(self, wanted: dict[str, str], size: int = BLOCK) -> Iterator[tuple[pl.LazyFrame, int]]:
        """See :meth:`TableFile.read`."""
        before = b""
        for block in blocks(self.path, self._dialect.quote, size, self._encoding):
            content, line = block.content, block.line
            if line == 1 and self._header_lines:
                line += self._header_lines
                content = content.split(b"\n", self._header_lines)[-1] if content.count(b"\n") else b""
            records = self._dialect.fields(Block(content, line, block.size), self.columns, wanted)
            of_time = wanted.get("time") == self.columns[-1]
            before = before[-_BEFORE:] + content[-_BEFORE:]
            if not content.endswith(b"\n") and _ends_within_a_line(before, self._dialect.delimiter, of_time):
                records = _without_line(records, line + content.count(b"\n"), wanted)
            yield records, block.size


def _ends_within_a_line(content: bytes, delimiter: str, of_time: bool) -> bool:
    """Whether the last line, which has no line end, looks cut off beside the lines before it.

    It does if its last field is empty and no other line's is. It also does if its last field is the shortest, and the
    others have one length or are times.
    """
    *others, last = content.split(b"\n")
    others = [line for line in others[1:] if line.strip()]  # the first line may have begun earlier
    if not last or len(others) < _FEW:
        return False
    length, *lengths = (len(line.rstrip(b"\r").rpartition(delimiter.encode())[2]) for line in [last, *others])
    return length < min(lengths) and (not length or of_time or min(lengths) == max(lengths))


def _without_line(records: pl.LazyFrame, line: int, wanted: dict[str, str]) -> pl.LazyFrame:
    """Mark the record on this line, the last one, as malformed."""
    cut = pl.col("line") == line
    fault = pl.lit("the file ends here, maybe within this row: end the line if it is whole, or fetch the file again")
    return records.with_columns(
        pl.when(cut & pl.col("fault").is_null()).then(fault).otherwise("fault").alias("fault"),
        *(pl.when(~cut).then(name).alias(name) for name in wanted),
    )


class ParquetFile(TableFile):
    """A Parquet file, whose values are read as a text file would spell them."""

    def __init__(self, path: Path) -> None:
        """Read the schema.

        Raises:
            DataError: if the file is missing or not Parquet.
        """
        self.path = path
        if not path.is_file():
            raise DataError(f"there is no file {path}")
        try:
            self._table = pl.scan_parquet(path, glob=False, hive_partitioning=False)
            self._schema = self._table.collect_schema()
            self._rows = self._table.select(pl.len()).collect().item()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise self._damaged(error) from None
        self.columns = list(self._schema)

    def type_of(self, column: str) -> pl.DataType:
        """See :meth:`TableFile.type_of`."""
        return self._schema[column]

    def read(self, wanted: dict[str, str], size: int = BLOCK) -> Iterator[tuple[pl.LazyFrame, int]]:
        """See :meth:`TableFile.read`."""
        rows, whole = max(1, size // 32), self.path.stat().st_size
        for begin in range(0, self._rows, rows):
            try:
                table = self._table.select(set(wanted.values())).slice(begin, rows).collect()
            except (pl.exceptions.PolarsError, OSError) as error:
                raise self._damaged(error) from None
            yield (
                spelled(table, wanted, begin + 1),
                whole * (begin + len(table)) // self._rows - whole * begin // self._rows,
            )

    def _damaged(self, error: Exception) -> DataError:
        return DataError(
            f"{self.path} cannot be read as Parquet, it is damaged or something else: {str(error).splitlines()[0]}"
        )


def spelled(table: pl.DataFrame, wanted: dict[str, str], line: int) -> pl.LazyFrame:
    """Spell typed rows as a text file would, see :meth:`TableFile.read`.

    Args:
        table: the rows; their columns are those of the text of a row.
        wanted: the columns to yield, by the names of the fields.
        line: the number of the first row.
    """

    def written(column: str) -> pl.Expr:
        """The text of a column's values: 1 and 0 for true and false, null for not-a-number, and lists as JSON."""
        kind, value = table.schema[column], pl.col(column)
        if isinstance(kind, pl.List):
            return lists.written(value)
        if kind == pl.Boolean:
            value = value.cast(pl.UInt8)
        elif kind.is_float():
            value = value.fill_nan(None)
        return value.cast(pl.String)

    return table.lazy().select(
        line=pl.int_range(line, line + pl.len()),
        text=pl.concat_str((written(name).fill_null("") for name in table.columns), separator=","),
        fault=pl.lit(None, pl.String),
        **{name: written(column) for name, column in wanted.items()},
    )


class PartitionFile(TableFile):
    """A file in folders named ``KEY=VALUE``, as Hive and Spark write them, with a column for each such folder."""

    def __init__(self, file: TableFile, values: dict[str, str | None]) -> None:
        """Add the columns that the file itself does not have.

        Args:
            file: the file.
            values: the values of the folders, by the names of the columns.
        """
        self.path = file.path
        self.has_header = file.has_header
        self._file = file
        self._values = {name: value for name, value in values.items() if name not in file.columns}
        self.columns = [*file.columns, *self._values]

    def type_of(self, column: str) -> pl.DataType:
        """See :meth:`TableFile.type_of`."""
        return pl.String() if column in self._values else self._file.type_of(column)

    def read(self, wanted: dict[str, str], size: int = BLOCK) -> Iterator[tuple[pl.LazyFrame, int]]:
        """See :meth:`TableFile.read`."""
        own = {name: column for name, column in wanted.items() if column not in self._values}
        given = {name: pl.lit(self._values[column], pl.String) for name, column in wanted.items() if name not in own}
        for records, read in self._file.read(own, size):
            yield records.with_columns(**given), read
