"""Repeated rows: a file that was appended before, rows that the stream has, files that overlap.

Two equal rows may be real, such as two clicks within a second. Rows count as repeated only where there is evidence:

- the stream has taken a file with the same content, under this name or another;
- they are not later than the stream's end, and the stream has the same rows at the same times;
- two files cover the same time, and share at least half of the rows that one of them has within it.

An append is compared with the stream's newest rows only, back to its own earliest row, so it costs no more on a long
stream than on a short one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from asmg_pl.convert.in_stream import Counted, count_in_stream
from asmg_pl.data.stream.manifest import Manifest
from asmg_pl.data.tables.columns import Column
from asmg_pl.data.tables.files import TableFile
from asmg_pl.data.tables.late import MARKS, utc
from asmg_pl.errors import DataError

Repeated = Literal["refuse", "drop", "keep"]

_WAYS = (
    "leave out the file, or the rows, with --repeated drop; or, if they are no mistake, take them with --repeated keep"
)


def without_taken(
    tables: Sequence[TableFile],
    columns: Sequence[Column],
    taken: Mapping[Path, str],
    folder: Path,
    repeated: Repeated,
) -> list[TableFile]:
    """Leave out files whose content the stream has taken before; files without rows are no such files.

    Args:
        tables: the files.
        columns: the columns that are read from them.
        taken: the earlier names of the files that the stream has taken, by path.
        folder: the stream.
        repeated: the treatment of repeated rows.

    Raises:
        DataError: if repeated rows are refused, and there is such a file.
    """
    if repeated == "keep":
        return list(tables)
    again = [table for table in tables if table.path in taken and _has_rows(table, columns)]
    if again and repeated == "refuse":
        said = [f"the stream in {folder} has taken {t.path} before, as {taken[t.path]}" for t in again]
        more = [f"… and {len(said) - 5:,} more files"] if len(said) > 5 else []
        raise DataError("\n".join([f"{said[0]}: nothing was written", *said[1:5], *more, _WAYS]))
    return [table for table in tables if table not in again]


def _has_rows(table: TableFile, columns: Sequence[Column]) -> bool:
    wanted = {column.role: column.name for column in columns}
    return any(records.select(pl.len()).collect().item() for records, _ in table.read(wanted, 1 << 16))


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
    key = _key(rows)
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
            said.append((files[other], len(shared), files[one]))
    if not found:
        return rows
    if repeated == "refuse":
        raise overlapping(said)
    return _without(rows, pl.concat(found))


def overlapping(pairs: Sequence[tuple[Path, int, Path]]) -> DataError:
    """The error about files, each of which repeats a number of rows of another one."""
    said = [f"{other} repeats {rows:,} rows of {one}" for other, rows, one in pairs]
    more = [f"… and {len(said) - 5:,} more pairs of files"] if len(said) > 5 else []
    return DataError("\n".join(["files overlap: nothing was written", *said[:5], *more, _WAYS]))


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


def without_known(
    rows: pl.DataFrame, folder: Path, files: Sequence[Path], repeated: Repeated
) -> tuple[pl.DataFrame, int]:
    """Leave out rows that the stream has already.

    Args:
        rows: the rows to append and late rows, with ids of the stream's type, times in seconds, features as
            ``context …``, ``number …`` and so on, and a column ``file`` as above. They have no labels if only sampled
            negatives of the stream are negative.
        folder: the stream.
        files: the files.
        repeated: the treatment of repeated rows.

    Returns:
        The other rows, and the number of rows that are too old to be compared.

    Raises:
        DataError: if repeated rows are refused, and there are some.
    """
    manifest = Manifest.read(folder)
    end = manifest.parts[-1].last_time
    here = rows.with_row_index("row").filter(pl.col("time") <= end)
    if repeated == "keep" or here.is_empty():
        return rows, 0
    key = _key(rows)
    there: Counted = count_in_stream(here.select(key), folder, manifest)
    counted = here.with_columns(nth=pl.int_range(pl.len()).over(key)).join(there.rows, on=key, how="left")
    known = counted.filter(pl.col("nth") < pl.col("count"))
    older = int((here["time"] < there.since).sum()) - int((known["time"] < there.since).sum())
    if known.is_empty():
        return rows, older
    if repeated == "refuse":
        first = known.sort("row").row(0, named=True)
        raise DataError(
            f"the stream in {folder} ends at {utc(end)}, and has {len(known):,} of the {len(here):,} rows up to then "
            f"already, as that of user {first['user']!r} and item {first['item']!r} at {utc(first['time'])} in "
            f"{files[first['file']]}: nothing was written. Has the file been appended before?\n{_WAYS}"
        )
    return _without(rows, known["row"]), older


def _key(rows: pl.DataFrame) -> list[str]:
    """The columns that are equal in repeated rows; lists, weights and further labels are not compared."""
    others = ("list ", "weight ", "further ")
    return [name for name in rows.columns if name not in ("file", *MARKS) and not name.startswith(others)]


def _without(rows: pl.DataFrame, left_out: pl.Series) -> pl.DataFrame:
    keep = np.ones(len(rows), dtype=bool)
    keep[left_out.to_numpy()] = False
    return rows.filter(keep)
