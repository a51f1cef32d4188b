"""The tables to convert: which files there are, what columns they have, and their rows, some at a time."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from asmg_pl.errors import DataError
from asmg_pl.tables.text import BLOCK, Block, Dialect, blocks

#: What stands between the fields of a file whose name ends like this; ``.gz`` may follow.
DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}
PARQUET = {".parquet", ".pq"}
_ENDINGS = ".csv, .tsv, .tab, .txt (.gz), .parquet or .pq"
_DELIMITING = (";", "\t", "|", ",")  # what is often used, the likeliest first


class TableFile(ABC):
    """A file with named columns.

    Attributes:
        path: where it is.
        columns: the names in its header.
    """

    path: Path
    columns: list[str]

    @abstractmethod
    def type_of(self, column: str) -> pl.DataType:
        """The type of a column's values in the file."""

    @abstractmethod
    def read(self, wanted: dict[str, str], size: int = BLOCK) -> Iterator[tuple[pl.LazyFrame, int]]:
        """Read the rows.

        Args:
            wanted: names of the fields to yield, and the columns in which they stand.
            size: bytes of text to read at a time, about.

        Yields:
            Some rows, and how many of the file's bytes they took. The columns are ``line`` (where the row is in the
            file, counted from 1), ``text`` (the row), ``fault`` (why it is none, else null), and the wanted fields,
            String.

        Raises:
            DataError: if the file is damaged or not UTF-8.
        """


class TextFile(TableFile):
    """Delimited text with a header, UTF-8, maybe compressed with gzip."""

    def __init__(self, path: Path, dialect: Dialect) -> None:
        """Read the header.

        Raises:
            DataError: if the file is missing, empty, damaged or not UTF-8, or its header is not one of this dialect.
        """
        self.path = path
        self._dialect = dialect
        first = next(blocks(path, dialect.quote, 1 << 18), None)
        self.columns, self._header_lines = dialect.header(first.content) if first else ([], 0)
        if not self.columns:
            raise DataError(f"{path} is empty, without even a header")
        if problem := _unlike_a_header(self.columns):
            raise DataError(f"{path}: {problem}")

    def type_of(self, column: str) -> pl.DataType:
        """See :meth:`TableFile.type_of`; text has no other."""
        return pl.String()

    def read(self, wanted: dict[str, str], size: int = BLOCK) -> Iterator[tuple[pl.LazyFrame, int]]:
        """See :meth:`TableFile.read`."""
        for block in blocks(self.path, self._dialect.quote, size):
            content, line = block.content, block.line
            if line == 1:
                line += self._header_lines
                content = content.split(b"\n", self._header_lines)[-1] if content.count(b"\n") else b""
            yield self._dialect.fields(Block(content, line, block.size), self.columns, wanted), block.size


def _unlike_a_header(columns: list[str]) -> str | None:
    """Why these are no names of columns, whatever they should be."""
    if any("\0" in name for name in columns):
        return "the header has NUL bytes, so this is no text, or not in UTF-8"
    if any(re.search(r"\r(?!\n)", name) for name in columns):
        return "its lines end in carriage returns alone: end them with line feeds"
    others = [mark for mark in _DELIMITING if len(columns) == 1 and mark in columns[0]]
    if others:
        return f"the header {columns[0][:100]!r} is a single field: maybe --delimiter {others[0]!r} tells fields apart"
    return None


class ParquetFile(TableFile):
    """A Parquet file; its values are taken as they would be written in a text file."""

    def __init__(self, path: Path) -> None:
        """Read the schema.

        Raises:
            DataError: if the file is missing or not Parquet.
        """
        self.path = path
        if not path.is_file():
            raise DataError(f"there is no file {path}")
        try:
            self._table = pl.scan_parquet(path, glob=False)
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
            written = {
                name: pl.col(c).cast(pl.UInt8 if self._schema[c] == pl.Boolean else self._schema[c])
                for name, c in wanted.items()
            }
            yield (
                table.lazy().select(
                    line=pl.int_range(begin + 1, begin + 1 + pl.len()),
                    text=pl.concat_str(pl.all().cast(pl.String).fill_null(""), separator=","),
                    fault=pl.lit(None, pl.String),
                    **{name: value.cast(pl.String) for name, value in written.items()},
                ),
                whole * (begin + len(table)) // self._rows - whole * begin // self._rows,
            )

    def _damaged(self, error: Exception) -> DataError:
        return DataError(
            f"{self.path} cannot be read as Parquet, it is damaged or something else: {str(error).splitlines()[0]}"
        )


def open_tables(paths: Sequence[str | Path], delimiter: str | None, quote: str) -> list[TableFile]:
    """Open files, and those in folders, in the order given; within a folder, in that of their names.

    Args:
        paths: files and folders.
        delimiter: between the fields of a text file; ``None`` to go by the file's name.
        quote: the character that may enclose a field, ``""`` for none.

    Raises:
        DataError: if there is no file, or one cannot be opened, or is given twice; it names all of these.
    """
    tables: list[TableFile] = []
    problems = []
    seen: set[Path] = set()
    for path in map(Path, paths):
        files = _in_folder(path) if path.is_dir() else [path]
        if not files:
            problems.append(f"folder {path} has no file whose name ends in {_ENDINGS}")
        for file in files:
            if file.resolve() in seen:
                problems.append(f"{file} is given twice, so that its rows would count twice")
            seen.add(file.resolve())
            try:
                tables.append(_open(file, delimiter, quote))
            except DataError as error:
                problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    return tables


def _open(path: Path, delimiter: str | None, quote: str) -> TableFile:
    kind = _kind(path)
    if kind in PARQUET:
        return ParquetFile(path)
    between = delimiter or DELIMITERS.get(kind)
    if between is None:
        raise DataError(
            f"{path}: the name of a table ends in {_ENDINGS}, not in {kind or 'nothing'}; if it is text, give "
            "--delimiter"
        )
    return TextFile(path, Dialect(between, quote if len(between) == 1 else ""))


def _kind(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix == ".gz" else path.suffix


def _in_folder(folder: Path) -> list[Path]:
    kinds = DELIMITERS.keys() | PARQUET
    return sorted(
        p for p in folder.iterdir() if p.is_file() and _kind(p) in kinds and not p.name.startswith((".", "_"))
    )
