"""JSON lines: files with one JSON object per line, whose keys are the columns.

    {"user": {"id": 7}, "item": "x", "tags": ["a", "b"]}     columns user.id, item, tags

A key within an object is a column of its own, with a dot between the keys. A list is the text that JSON has for it. A
row that lacks a key has no value in that column.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from asmg_pl.data.tables.files import TableFile
from asmg_pl.data.tables.text import BLOCK, blocks
from asmg_pl.errors import DataError

_FIRST = 1 << 22  # bytes in which the names of columns are sought
_NO_COLUMN = "\0"


class JsonLinesFile(TableFile):
    """A file of JSON lines (also called NDJSON), plain or compressed with gzip or zstd."""

    def __init__(self, path: Path) -> None:
        """Find the columns in the first 4 MiB.

        Raises:
            DataError: if the file is missing, empty, damaged or not UTF-8, or its first lines are no JSON objects.
        """
        self.path = path
        self._keys = _columns(path)
        self.columns = list(self._keys)

    def type_of(self, column: str) -> pl.DataType:
        """See :meth:`TableFile.type_of`; a value is read as a text file would spell it."""
        return pl.String()

    def read(self, wanted: dict[str, str], size: int = BLOCK) -> Iterator[tuple[pl.LazyFrame, int]]:
        """See :meth:`TableFile.read`."""
        keys = {name: self._keys[column] for name, column in wanted.items()}
        schema = _schema(list(keys.values()))
        for block in blocks(self.path, "", size):
            lines = pl.scan_lines(
                io.BytesIO(block.content), name="text", row_index_name="line", row_index_offset=block.line
            )
            rows = lines.filter(pl.col("text").str.contains(r"\S")).collect()
            values = _parsed(rows["text"], schema)
            fields = {name: _value(path).alias(name) for name, path in keys.items()}
            yield pl.concat([rows, values.select("fault", **fields)], how="horizontal").lazy(), block.size


def _columns(path: Path) -> dict[str, tuple[str, ...]]:
    """The columns of the first rows in the order in which they appear, each with the keys that lead to it."""
    block = next(blocks(path, "", _FIRST), None)
    if block is None:
        raise DataError(f"{path} is empty")
    leaves: dict[tuple[str, ...], None] = {}
    objects = 0
    for line in block.content.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            objects += 1
            leaves |= dict.fromkeys(_leaves(row))
    if not objects or block.content.lstrip().startswith(b"["):
        raise DataError(
            f"{path} has no JSON object in each line. Write one per line, as jq -c '.[]' does with a list of objects"
        )
    # What is an object in some rows alone is one column, its text.
    inner = {leaf for leaf in leaves if any(leaf[:depth] in leaves for depth in range(1, len(leaf)))}
    return {".".join(leaf): leaf for leaf in leaves if leaf not in inner}


def _leaves(row: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in row.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*above, key))
        elif value not in (None, {}) or not above:  # an object may be null where it is missing
            yield (*above, key)


def _schema(paths: Sequence[tuple[str, ...]]) -> dict[str, Any]:
    """The types of the keys that lead to these columns; each value is text."""
    inner: dict[str, list[tuple[str, ...]]] = {}
    for first, *rest in paths:
        inner.setdefault(first, []).append(tuple(rest))
    kinds = {key: pl.Struct(_schema(rest)) if any(rest) else pl.String() for key, rest in inner.items()}
    return kinds or {_NO_COLUMN: pl.String()}


def _value(path: tuple[str, ...]) -> pl.Expr:
    first, *rest = path
    value = pl.col(first)
    for key in rest:
        value = value.struct.field(key)
    return value


def _parsed(lines: pl.Series, schema: dict[str, Any]) -> pl.DataFrame:
    """The values of the lines, and ``fault``. Only if a line is malformed, the lines are halved until it is found."""
    try:
        values = pl.read_ndjson(io.BytesIO("\n".join(lines).encode()), schema=schema)
    except pl.exceptions.PolarsError as error:
        if len(lines) == 1:
            fault = f"the row is not a JSON object of these columns: {_why(lines[0], error)}"
            return pl.DataFrame([{"fault": fault}], {**schema, "fault": pl.String})
        half = len(lines) // 2
        return pl.concat([_parsed(lines[:half], schema), _parsed(lines[half:], schema)])
    return values.with_columns(fault=pl.lit(None, pl.String))


def _why(line: str, error: Exception) -> str:
    try:
        json.loads(line)
    except ValueError as wrong:
        return str(wrong)
    return str(error).splitlines()[0]
