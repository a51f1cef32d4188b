"""Repeated rows: a file that was appended before, files that overlap, one file under two names.

Two equal rows may be real, such as two clicks within a second. Rows count as repeated only where there is evidence:

- they have the time of the stream's last row, and the stream has them already (other rows of an append are later);
- two files cover the same time, and share at least half of the rows that one of them has within it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import torch

from asmg_pl.data.stream import open_stream, read_names
from asmg_pl.data.stream.manifest import Manifest
from asmg_pl.data.tables.late import utc
from asmg_pl.errors import DataError

Repeated = Literal["refuse", "drop", "keep"]

_WAYS = (
    "leave out the file, or the rows, with --repeated drop; or, if they are no mistake, take them with --repeated keep"
)


def without_shared(rows: pl.DataFrame, files: Sequence[Path], repeated: Repeated) -> pl.DataFrame:
    """Leave out rows that one file repeats of another.

    Args:
        rows: the rows of the files, with a column ``file``, UInt32, the number of the file.
        files: the files.
        repeated: the treatment of repeated rows.

    Raises:
        DataError: if repeated rows are refused, and there are some.
    """
    if repeated == "keep" or len(files) < 2:
        return rows
    key = [name for name in rows.columns if name != "file"]
    several = rows.select(key).hash_rows().is_duplicated()
    if not several.any():
        return rows
    equal = rows.with_row_index("row").filter(several)
    equal = equal.with_columns(nth=pl.int_range(pl.len()).over(*key, "file"))
    found, said, times = [], [], _times(rows)
    for one, other in _pairs(equal, key):
        shared = equal.filter(file=other).join(equal.filter(file=one), on=[*key, "nth"], how="semi")
        if len(shared) and 2 * len(shared) >= _together(times[one], times[other]):
            found.append(shared["row"])
            said.append(f"{files[other]} repeats {len(shared):,} rows of {files[one]}")
    if not found:
        return rows
    if repeated == "refuse":
        more = [f"… and {len(said) - 5:,} more pairs of files"] if len(said) > 5 else []
        raise DataError("\n".join(["files overlap: nothing was written", *said[:5], *more, _WAYS]))
    keep = np.ones(len(rows), dtype=bool)
    keep[pl.concat(found).to_numpy()] = False
    return rows.filter(keep)


def _pairs(equal: pl.DataFrame, key: list[str]) -> list[tuple[int, int]]:
    """The pairs of files that share a row, the earlier file first."""
    sharing = equal.group_by(key).agg(pl.col("file").unique().sort())["file"].unique().to_list()
    return sorted({pair for files in sharing for pair in combinations(files, 2)})


def _times(rows: pl.DataFrame) -> dict[int, np.ndarray]:
    """The times of each file's rows, ascending."""
    by_file = rows.select("file", "time").sort("file", "time")
    first = np.flatnonzero(np.diff(by_file["file"].to_numpy().astype(np.int64), prepend=-1))
    return dict(
        zip(by_file["file"].gather(first).to_list(), np.split(by_file["time"].to_numpy(), first[1:]), strict=True)
    )


def _together(one: np.ndarray, other: np.ndarray) -> int:
    """The number of rows within the time that both files cover, of the file that has fewer."""
    begin, end = max(one[0], other[0]), min(one[-1], other[-1])
    return min(int(np.searchsorted(t, end, "right") - np.searchsorted(t, begin)) for t in (one, other))


def without_known(rows: pl.DataFrame, folder: Path, files: Sequence[Path], repeated: Repeated) -> pl.DataFrame:
    """Leave out rows at the stream's last moment that the stream has already.

    Args:
        rows: the rows to append, with ids of the stream's type, times in seconds, context features as ``context …``,
            and a column ``file`` as above. They have no labels if only sampled negatives of the stream are negative.
        folder: the stream.
        files: the files.
        repeated: the treatment of repeated rows.

    Raises:
        DataError: if repeated rows are refused, and there are some.
    """
    manifest = Manifest.read(folder)
    end = manifest.parts[-1].last_time
    here = rows.with_row_index("row").filter(time=end)
    if repeated == "keep" or here.is_empty():
        return rows
    key = [name for name in rows.columns if name not in ("file", "time")]
    there = _last_moment(folder, manifest, end)
    if not set(key) <= set(there.columns):
        return rows  # not rows of this stream; the writer will refuse them
    if "label" not in key:
        there = there.filter(label=1)
    there = there.select(pl.col(name).cast(rows.schema[name], strict=False) for name in key)
    there = there.with_columns(nth=pl.int_range(pl.len()).over(key))
    found = here.with_columns(nth=pl.int_range(pl.len()).over(key)).join(there, on=[*key, "nth"], how="semi")
    if found.is_empty():
        return rows
    if repeated == "refuse":
        first = found.sort("row").row(0, named=True)
        raise DataError(
            f"the stream in {folder} ends with rows of {utc(end)}, and has {len(found):,} of the {len(here):,} rows of "
            f"this time already, as that of user {first['user']!r} and item {first['item']!r} in "
            f"{files[first['file']]}: nothing was written. Has the file been appended before?\n{_WAYS}"
        )
    keep = np.ones(len(rows), dtype=bool)
    keep[found["row"].to_numpy()] = False
    return rows.filter(keep)


def _last_moment(folder: Path, manifest: Manifest, end: int) -> pl.DataFrame:
    """The rows of the stream's last moment: names of users, items and context values, and labels."""
    log = open_stream(folder)
    last = log.between(int(log.first_from(torch.tensor([end]))[0]), len(log))
    columns = {"user": ("users", last.user), "item": ("items", last.item)}
    for number, name in enumerate(manifest.context):
        values = [part.context[number] for part in last.parts]
        columns[f"context {name}"] = (f"context-{number}", torch.cat(values))
    named = {name: read_names(folder, file).gather(ids.numpy()) for name, (file, ids) in columns.items()}
    return pl.DataFrame({**named, "label": last.label.numpy()})
