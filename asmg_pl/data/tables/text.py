"""Reads delimited text block by block: from bytes to records to fields, each record with its line.

     bytes ─▶ blocks that end where a record ends ─▶ records ─▶ fields, or a fault

Fields are cut a column at a time, not row by row. The usual CSV readers are too forgiving: they drop surplus fields,
fill in missing ones, or swallow the rest of the file after a stray quote. Here such a row has a fault, and the rows
around it are read as they are.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from asmg_pl.data.kernels import delimited as kernel
from asmg_pl.data.tables.packing import Unpacked
from asmg_pl.errors import DataError

BLOCK = 1 << 25  # bytes of text that are parsed at once
LONGEST = 1 << 26  # the most bytes of a line
_WIDE = 64  # with more fields than this, a list is faster than a struct


class Block(NamedTuple):
    """Whole records of a file.

    Attributes:
        content: the bytes of the records, UTF-8.
        line: the line of the first record in the file, counted from 1.
        size: the number of bytes that were read from the file for them; compressed bytes, if it is compressed.
    """

    content: bytes
    line: int
    size: int


def blocks(path: Path, quote: str, size: int = BLOCK, encoding: str = "utf-8") -> Iterator[Block]:
    """Read a file, which is unpacked if it is compressed with gzip or zstd.

    Args:
        path: the file.
        quote: the character that encloses fields, ``""`` for none.
        size: the approximate number of bytes of text in a block.
        encoding: the encoding of the text: ``utf-8``, or an encoding of single bytes such as ``latin-1``.

    Raises:
        DataError: if the file is missing, is not in this encoding, has a line that is too long, or cannot be unpacked.
    """
    line, done, rest = 1, 0, b""
    with _open(path) as file:
        text = Unpacked(path, file)
        while True:
            read = text.lines(
                max(size, len(rest)), LONGEST
            )  # so that mostly nothing is left over, which would be copied
            content = rest + read
            if done == 0:
                content = content.removeprefix(b"\xef\xbb\xbf")  # byte-order mark
            end = _end_of_records(content, quote, size) if read else len(content)
            content, rest = content[:end], content[end:]
            if len(rest) > LONGEST:
                number = line + content.count(b"\n")
                raise DataError(
                    f"{path}:{number}: the line is longer than {LONGEST >> 20:,} MiB: is this a "
                    "table, and do its lines end in line feeds?"
                )
            if content:
                if encoding == "utf-8":
                    _check_utf8(path, content, line)
                else:
                    content = content.decode(encoding).encode()
                yield Block(content, line, file.tell() - done)
                line, done = line + content.count(b"\n"), file.tell()
            if not read:
                return


def _open(path: Path) -> io.BufferedReader:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise DataError(f"there is no file {path}") from None


def _end_of_records(content: bytes, quote: str, longest: int) -> int:
    """The offset at which the last whole record ends; 0 if there is none. A line end within quotes ends no record."""
    end = content.rfind(b"\n") + 1
    mark = quote.encode()
    if not quote or mark not in content or content.count(mark, 0, end) % 2 == 0:
        return end
    characters = np.frombuffer(content, np.uint8, end)
    ends = np.flatnonzero(characters == ord("\n"))
    quotes = np.cumsum(characters == ord(quote), dtype=np.uint8)  # modulo 256, which keeps even counts even
    outside = ends[quotes[ends] % 2 == 0]
    whole = int(outside[-1]) + 1 if len(outside) else 0
    return whole if len(content) - whole < longest else end  # a record is never that long: the quote is stray


def _check_utf8(path: Path, content: bytes, line: int) -> None:
    if content.isascii():  # ten times as fast as decoding
        return
    try:
        content.decode()
    except UnicodeDecodeError as error:
        where = line + content.count(b"\n", 0, error.start)
        byte = content[error.start]
        raise DataError(f"{path}:{where}: byte 0x{byte:02x} is not UTF-8: convert the file to UTF-8") from None


class Dialect(NamedTuple):
    """The rule by which a line is cut into fields.

    Attributes:
        delimiter: the text between two fields, one or more characters.
        quote: the character that may enclose a field, and is doubled within it (RFC 4180); ``""`` for none.
    """

    delimiter: str
    quote: str = '"'

    def header(self, content: bytes) -> tuple[list[str], int]:
        """The fields of the first record, and the number of lines up to its end."""
        records = self._records(Block(content, 1, 0)).head(1).collect()
        if records.is_empty():
            return [], 0
        text = records["text"][0]
        if self.quote and self.quote in text:
            names = (
                self._pieces(records.lazy())
                .select(self._unquoted(pl.col("piece").explode()))
                .collect()
                .to_series()
                .to_list()
            )
        else:
            names = text.split(self.delimiter)
        return names, records["line"][0] + text.count("\n")

    def fields(self, block: Block, columns: list[str], wanted: dict[str, str]) -> pl.LazyFrame:
        """Cut a block's records.

        Args:
            block: the records.
            columns: the file's header.
            wanted: the columns to read, by the names of the fields to yield.

        Returns:
            Columns ``line`` (UInt32), ``text`` (the record), ``fault`` (why it is malformed, else null), and the wanted
            fields, String, null where there is a fault. Blank lines are no records.
        """
        if (plain := self._plain(block, columns)) is not None:
            return plain.lazy().select(
                line=pl.int_range(block.line, block.line + pl.len(), dtype=pl.UInt32),
                text=pl.concat_str(pl.all(), separator=self.delimiter),
                fault=pl.lit(None, pl.String),
                **{name: pl.col(f"field_{columns.index(column)}") for name, column in wanted.items()},
            )
        records = self._records(block)
        if self.quote and self.quote.encode() in block.content:
            records = self._pieces(records)
            count = pl.col("piece").list.len()
            sound, whole = count == len(columns), pl.col("whole")
            piece = pl.col("piece").list
            value = {n: self._unquoted(piece.get(columns.index(c), null_on_oob=True)) for n, c in wanted.items()}
        elif len(columns) > _WIDE:
            records = records.with_columns(piece=pl.col("text").str.split(self.delimiter))
            count = pl.col("piece").list.len()
            sound, whole = count == len(columns), pl.lit(True)
            value = {n: pl.col("piece").list.get(columns.index(c), null_on_oob=True) for n, c in wanted.items()}
        else:
            # Surplus fields stay together in the last one; missing fields are null.
            records = records.with_columns(pl.col("text").str.splitn(self.delimiter, len(columns) + 1).struct.unnest())
            count = pl.col("text").str.count_matches(self.delimiter, literal=True) + 1
            sound = pl.col(f"field_{len(columns)}").is_null() & pl.col(f"field_{len(columns) - 1}").is_not_null()
            whole = pl.lit(True)
            value = {n: pl.col(f"field_{columns.index(c)}") for n, c in wanted.items()}
        stray = pl.lit(f"a {self.quote} stands where no field begins or ends")
        fields = pl.when(count == 1).then(pl.lit("field")).otherwise(pl.lit("fields"))
        other = pl.format(f"{{}} {{}} instead of {len(columns)}", count, fields)
        fault = pl.when(~whole).then(stray).otherwise(pl.when(~sound).then(other))
        if b"\0" in block.content:
            clean = ~pl.col("text").str.contains("\0", literal=True)
            fault, sound = pl.when(clean).then(fault).otherwise(pl.lit("the row has NUL bytes")), sound & clean
        return records.select(
            "line", "text", fault.alias("fault"), *(pl.when(sound & whole).then(e).alias(n) for n, e in value.items())
        )

    def _plain(self, block: Block, columns: list[str]) -> pl.DataFrame | None:
        """Cut a block in which no record can have a fault, by a reader that is faster; ``None`` for other blocks.

        The reader refuses surplus fields. So if there are as many delimiters as there should be, no field is missing.
        """
        content, delimiter = block.content, self.delimiter.encode()
        marks = [b"\0", b"\r", *([self.quote.encode()] if self.quote else [])]
        names = [f"field_{number}" for number in range(len(columns))]
        if len(delimiter) != 1 or len(columns) == 1:
            return None
        if kernel.computes(len(content)) and all(len(mark) == 1 for mark in marks):
            return kernel.cut(content, delimiter, b"".join(marks), names)
        lines = content.count(b"\n") + (not content.endswith(b"\n"))
        if any(mark in content for mark in marks):
            return None
        # Delimiters are many, and numpy counts many faster than bytes do.
        found = np.count_nonzero(np.frombuffer(content, np.uint8) == ord(delimiter))
        if found != lines * (len(columns) - 1):
            return None
        schema = {name: pl.String() for name in names}
        options: dict[str, Any] = {"has_header": False, "separator": self.delimiter, "quote_char": None}
        try:
            table = pl.read_csv(content, schema=schema, empty_string_is_null=False, **options)
        except pl.exceptions.PolarsError:
            return None
        return table if len(table) == lines else None

    def _records(self, block: Block) -> pl.LazyFrame:
        """Cut records, columns ``line`` and ``text``. Line ends within quotes end no record."""
        lines = pl.scan_lines(
            io.BytesIO(block.content), name="text", row_index_name="line", row_index_offset=block.line
        )
        if self.quote and self.quote.encode() in block.content:
            quotes = pl.col("text").str.count_matches(self.quote, literal=True)
            inside = (quotes.cum_sum() - quotes) % 2 == 1  # whether the line begins within quotes
            numbered = lines.with_columns(record=(~inside).cum_sum()).collect()
            if numbered["record"].n_unique() < len(numbered):
                lines = self._joined(numbered)
        return lines.filter(pl.col("text") != "")

    def _joined(self, numbered: pl.DataFrame) -> pl.LazyFrame:
        """Join the lines of one record if they can be cut into fields. Otherwise a quote is stray: they stay apart."""
        joined = numbered.group_by("record", maintain_order=True).agg(
            pl.col("line").first(), pl.col("text").str.join("\n")
        )
        joined = self._pieces(joined.lazy()).filter("whole").select("line", "text", "record").collect()
        apart = numbered.join(joined, on="record", how="anti").select("line", "text")
        return pl.concat([joined.select("line", "text"), apart]).sort("line").lazy()

    def _pieces(self, records: pl.LazyFrame) -> pl.LazyFrame:
        """Add ``piece``, the fields with a delimiter before each, and ``whole``, whether they make up the record."""
        delimiter, quote = (f"\\x{{{ord(character):x}}}" for character in (self.delimiter, self.quote))
        field = f"{delimiter}(?:{quote}(?:[^{quote}]|{quote}{quote})*{quote}|[^{quote}{delimiter}]*)"
        text = pl.lit(self.delimiter) + pl.col("text")
        whole = pl.col("piece").list.join("").str.len_bytes() == text.str.len_bytes()
        return records.with_columns(piece=text.str.extract_all(field)).with_columns(whole=whole)

    def _unquoted(self, piece: pl.Expr) -> pl.Expr:
        """The content of a field: its piece without delimiter and quotes."""
        field = piece.str.slice(1)
        inner = (
            field.str.slice(1).str.strip_suffix(self.quote).str.replace_all(self.quote * 2, self.quote, literal=True)
        )
        return pl.when(field.str.starts_with(self.quote)).then(inner).otherwise(field)
