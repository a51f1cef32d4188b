"""Runs Python on the executors, on tables of Polars that come and go as Arrow, and brings its errors to the user."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import polars as pl
import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from asmg_pl.errors import ConfigError, DataError, UserError

#: What an executor runs: from the tables of a partition, one after the other, to other tables.
Task: TypeAlias = "Callable[[Iterator[pl.DataFrame]], Iterator[pl.DataFrame]]"

_TYPES = {
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "boolean": pa.bool_(),
    "string": pa.string(),
    "array<int>": pa.list_(pa.int32()),
    "array<string>": pa.list_(pa.string()),
}
_ROWS = 2**16  # of a batch of Arrow
_TOLD = "asmg_pl says: "


def session() -> SparkSession:
    """The running session, or a new one with the options that Spark finds; its Python is this one.

    Raises:
        ConfigError: if Spark does not start.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    try:
        return SparkSession.builder.appName("asmg convert").getOrCreate()
    except PySparkException as error:
        why = str(error).splitlines()[0]
        raise ConfigError(
            f"Spark does not start ({why}): it needs Java 17 or 21, which JAVA_HOME names, and a master that can be "
            "reached"
        ) from None


def mapped(frame: DataFrame, task: Task, columns: Mapping[str, str]) -> DataFrame:
    """Run a task on each partition of a frame.

    Args:
        frame: the rows; the tables of a task have the same columns.
        task: what to run. A :class:`UserError` that it raises reaches the user, see :func:`told`.
        columns: the types of the columns that it yields, in Spark's words.
    """
    schema = pa.schema([(name, _TYPES[kind]) for name, kind in columns.items()])
    here = Path.cwd()

    def over(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        tables = (pl.DataFrame(pl.from_arrow(batch)) for batch in batches)
        try:
            if here.is_dir():
                os.chdir(here)  # paths that the user gave may be relative
            for found in task(tables):
                if len(found):
                    yield from found.select(schema.names).to_arrow().cast(schema).to_batches(max_chunksize=_ROWS)
        except UserError as error:
            raise RuntimeError(_TOLD + json.dumps(str(error))) from None
        except OSError as error:
            why = f"an executor could not read or write ({error})"
            mend = "let all executors see the same files and the folder of the stream, and have room there"
            raise RuntimeError(_TOLD + json.dumps(f"{why}: {mend}")) from None

    return frame.mapInArrow(over, ", ".join(f"`{name}` {kind}" for name, kind in columns.items()))


@contextmanager
def told() -> Iterator[None]:
    """Raise what a task has told the user as this process's own error, and any other failure of Spark as one line."""
    try:
        yield
    except (PySparkException, Py4JError) as error:
        _, found, text = str(error).partition(_TOLD)
        if found:
            raise DataError(json.JSONDecoder().raw_decode(text)[0]) from None
        why = str(error).strip().partition("\n")[0]
        raise DataError(f"Spark has failed ({why}), and the stream is as it was: its log says more") from error


def collected(frame: DataFrame) -> list[dict[str, Any]]:
    """A few rows, on the driver."""
    return [row.asDict() for row in frame.collect()]


def whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file that is there as a whole or not at all, also where a task runs twice."""
    partial = path.with_name(f".{path.name}.{uuid4().hex}")
    write(partial)
    partial.replace(path)


def runs(tables: Iterator[pl.DataFrame], *keys: str) -> Iterator[pl.DataFrame]:
    """The rows of a partition that follow each other with the same keys, as one table for each."""
    pieces: list[pl.DataFrame] = []
    for table in tables:
        for piece in table.partition_by(*keys, maintain_order=True):
            if pieces and piece.select(keys).row(0) != pieces[-1].select(keys).row(0):
                yield pl.concat(pieces)
                pieces = []
            pieces.append(piece)
    if pieces:
        yield pl.concat(pieces)
