"""Merges the parts of a converted stream, with the files that conversions keep in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import polars as pl

from asmg_pl.convert.in_stream import LATE
from asmg_pl.convert.kept import SETTINGS, joined_csv, publish
from asmg_pl.convert.sources import SOURCES
from asmg_pl.data import stream
from asmg_pl.data.stream.compacting import MOST_ROWS
from asmg_pl.data.stream.manifest import Manifest
from asmg_pl.data.tables.quarantine import FILE as QUARANTINE
from asmg_pl.errors import ConfigError


def compact(folder: str | Path, wait: float = 0.0, most_rows: int = MOST_ROWS) -> stream.Compaction:
    """Merge the parts of a stream into fewer ones, with the same rows, ids and names.

    A walk along the stream goes on as if nothing had happened, also while the parts are merged. An interruption leaves
    the stream as it was.

    Args:
        folder: the stream.
        wait: the seconds to wait while another program writes the stream.
        most_rows: the most rows of a merged part. Memory grows with it.

    Raises:
        BusyError: if another program is writing the stream.
        ConfigError: if an argument is out of range.
        DataError: if there is no stream, it is damaged, or there is no room for the new parts beside the old ones.
    """
    folder = Path(folder)
    if most_rows < 1:
        raise ConfigError(f"most_rows must be at least 1, got {most_rows}")
    Manifest.read(folder)  # leave a folder that is no stream as it is
    with stream.stream_lock(folder, wait):
        publish(folder)  # a killed append may have left this undone
        return stream.compact(folder, join, wait, most_rows)


def join(name: str, contents: Sequence[bytes]) -> bytes:
    """Join files of one name that are kept in several parts.

    Args:
        name: the name of the files.
        contents: the files, the oldest first.
    """
    if name == SETTINGS:
        return contents[-1]
    if name == QUARANTINE:
        return joined_csv(list(contents))
    if name == SOURCES:
        rows = [row for content in contents for row in json.loads(content)]
        return (json.dumps(rows, indent=1) + "\n").encode()
    if name == LATE:
        table = BytesIO()
        pl.concat([pl.read_parquet(BytesIO(content)) for content in contents]).write_parquet(table)
        return table.getvalue()
    return b"".join(contents)
