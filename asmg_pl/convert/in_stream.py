"""Counts how often a stream has some rows, in its newest rows, a piece at a time.

stream    ……………………………………………………│······│······│······│     part by part, from the newest back
rows                           ╰ the earliest of them ends the search
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from asmg_pl.data.columns import Columns
from asmg_pl.data.stream import read_names
from asmg_pl.data.stream.attached import attached_to
from asmg_pl.data.stream.manifest import Manifest, Part
from asmg_pl.data.stream.reader import check_part, open_part

#: The file of a part with the rows that entered late: the row, its own ``time``, and when it ``entered``.
LATE = "late.parquet"
#: The most of the stream's rows with which an append is compared.
MOST = 2**24
_PIECE = 2**20


class Counted(NamedTuple):
    """How often a stream has some rows.

    Attributes:
        rows: the distinct rows, with a column ``count``.
        since: the time from which on the stream was searched.
    """

    rows: pl.DataFrame
    since: int


def count_in_stream(rows: pl.DataFrame, folder: Path, manifest: Manifest) -> Counted:
    """Count rows in a stream by their names, values and times. A row that entered late counts at its own time.

    Args:
        rows: columns ``user``, ``item``, ``time``, context features as ``context …``, numbers as ``number …``, and
            ``label``; without labels only positive rows are counted.
        folder: the stream.
        manifest: the manifest of the stream.
    """
    key = rows.columns
    names = {name: read_names(folder, file) for name, file in _files(manifest).items() if name in key}
    wanted = _numbered(rows.unique(maintain_order=True), names)
    ids = [f"id {name}" if name in names else name for name in key]
    first, since, searched = int(wanted["time"].min()), None, 0  # type: ignore[arg-type]
    found: list[pl.DataFrame] = []
    for part in reversed(manifest.parts):
        if part.last_time < first or searched >= MOST:
            break
        check_part(folder, part)
        columns = open_part(folder, part, manifest)
        begin = max(int(np.searchsorted(columns.time.numpy(), first)), part.rows - (MOST - searched))
        for piece in _pieces(columns, begin, manifest):
            piece = piece if "label" in key else piece.filter(label=1)
            found.append(piece.select(ids).join(wanted, on=ids, how="semi").with_columns(count=pl.lit(1)))
        found += [late.select(*ids, "count") for late in _late(folder, part, names)]
        searched += part.rows - begin
        since = int(columns.time[begin]) if begin < part.rows else since
    counted = pl.concat(found, how="vertical_relaxed").group_by(ids).agg(pl.col("count").sum())
    whole = searched < MOST or since is None or since < first
    return Counted(wanted.join(counted, on=ids).select(*key, "count"), first if whole else since + 1)  # type: ignore[operator]


def _files(manifest: Manifest) -> dict[str, str]:
    """The names of the columns with ids, and the kinds of their names in the stream."""
    context = {f"context {name}": f"context-{number}" for number, name in enumerate(manifest.context)}
    return {"user": "users", "item": "items"} | context


def _numbered(rows: pl.DataFrame, names: dict[str, pl.Series]) -> pl.DataFrame:
    """Add the ids of the rows' names, Int32, as columns ``id …``; null for names that the stream does not have."""
    for name, known in names.items():
        numbers = pl.DataFrame({name: known, f"id {name}": np.arange(len(known), dtype=np.int32)})
        numbers = numbers.with_columns(pl.col(name).cast(rows.schema[name], strict=False))
        rows = rows.join(numbers, on=name, how="left", maintain_order="left")
    return rows


def _pieces(columns: Columns, begin: int, manifest: Manifest) -> Iterator[pl.DataFrame]:
    """The rows of a part from ``begin`` on, by their ids."""
    for start in range(begin, columns.rows, _PIECE):
        piece = columns.between(start, min(start + _PIECE, columns.rows))
        context = zip(manifest.context, piece.context, strict=True)
        values = {"id user": piece.user, "id item": piece.item, "time": piece.time, "label": piece.label}
        values |= {f"id context {name}": column for name, column in context}
        for place, name in enumerate(manifest.features.numbers):
            assert piece.numbers is not None
            values[f"number {name}"] = piece.numbers[:, place]
        yield pl.DataFrame({name: column.numpy() for name, column in values.items()})


def _late(folder: Path, part: Part, names: dict[str, pl.Series]) -> Iterator[pl.DataFrame]:
    """The rows of a part that entered late, once at their own time, and once less at the time when they entered."""
    content = attached_to(folder, part, LATE)
    if content is not None:
        rows = _numbered(pl.read_parquet(BytesIO(content)), names)
        yield rows.with_columns(count=pl.lit(1))
        yield rows.with_columns(time="entered", count=pl.lit(-1))
