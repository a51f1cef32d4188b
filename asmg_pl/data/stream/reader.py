"""Opens a stream: its columns are mapped into memory, and read when they are needed."""

from __future__ import annotations

from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from asmg_pl.data.catalogue import Catalogue, build
from asmg_pl.data.columns import Columns
from asmg_pl.data.log import InteractionLog
from asmg_pl.data.stream.digests import MEND, Intact
from asmg_pl.data.stream.manifest import FILE, Manifest, Part
from asmg_pl.errors import DataError

#: The columns of a part by file name, without the lengths of histories and the context features.
TYPES: dict[str, np.dtype] = {
    "user": np.dtype(np.int32),
    "item": np.dtype(np.int32),
    "label": np.dtype(np.uint8),
    "time": np.dtype(np.int64),
    "history_end": np.dtype(np.int32),
}


#: The prefix of a part's files of categories.
CATALOGUE = "catalogue"


def open_stream(folder: Path) -> InteractionLog:
    """Open a stream that a :class:`~asmg_pl.data.stream.StreamWriter` has written.

    Rows that are appended later are seen when the stream is opened again. The columns of a part are compared with their
    digests when its rows are first used; a :class:`DataError` then names a damaged file.

    Raises:
        DataError: if the folder holds no stream, or one of its files is missing, cut off or of another kind.
    """
    manifest = Manifest.read(folder)
    rows = 0
    landmarks = {0: (0, 0)}
    for part in manifest.parts:
        rows += part.rows
        landmarks[rows] = part.users, part.items
    categories, updates = read_catalogue(folder, manifest) if manifest.categories else (None, ())
    return InteractionLog(
        parts=tuple(open_part(folder, part, manifest) for part in manifest.parts),
        categories=categories,
        sizes=manifest.sizes,
        longest_history=manifest.carry,
        digests=tuple(digest for part in manifest.parts for digest in part.digests),
        landmarks=landmarks,
        updates=updates,
        intact=tuple(Intact(folder / part.folder, part.digest, _is_column) for part in manifest.parts),
        context_names=tuple(manifest.context),
        names={what: partial(names_of, folder, manifest, what) for what in kinds_of_names(manifest)},
        history=manifest.history,
    )


def open_part(folder: Path, part: Part, manifest: Manifest) -> Columns:
    """The columns of one part.

    Raises:
        DataError: if one of their files is missing, cut off or of another kind.
    """
    context = [f"context-{number}" for number in range(len(manifest.context))]
    types = TYPES | {"history_length": length_type(manifest.carry)} | {name: np.dtype(np.int32) for name in context}
    columns = {name: map_file(folder / part.folder / f"{name}.npy", kind, part.rows) for name, kind in types.items()}
    sequence = map_file(folder / part.folder / "sequence.npy", np.dtype(np.int32), part.entries)
    features = tuple(columns.pop(name) for name in context)
    if (int(columns["time"][0]), int(columns["time"][-1])) != (part.first_time, part.last_time):
        raise DataError(f"{folder / part.folder / 'time.npy'} has other times than {FILE} expects: {MEND}")
    return Columns(**columns, sequence=sequence, context=features)


def _is_column(file: str) -> bool:
    """Whether a part's file is mapped; other files are read as a whole when the stream is opened."""
    return file.endswith(".npy") and not file.startswith(CATALOGUE)


def length_type(carry: int) -> np.dtype:
    """The smallest type for the lengths of histories that torch can index."""
    return np.dtype(np.uint8 if carry < 2**8 else np.int16)


def map_file(path: Path, kind: np.dtype, rows: int) -> Tensor:
    """Map an ``.npy`` file with this number of rows; its pages are read when they are needed.

    Writing into the tensor changes memory only, never the file.

    Raises:
        DataError: if the file is missing, cut off or of another kind.
    """
    shape, begin, size = _header(path, kind, rows)
    dtype = torch.from_numpy(np.empty(0, kind)).dtype
    return torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8)[begin:].view(dtype).view(shape)


def read_array(path: Path, kind: np.dtype, rows: int) -> np.ndarray:
    """Read an ``.npy`` file as a whole; it raises the errors of :func:`map_file`."""
    _header(path, kind, rows)
    return np.load(path, allow_pickle=False)


def _header(path: Path, kind: np.dtype, rows: int) -> tuple[tuple[int, ...], int, int]:
    """The shape of an ``.npy`` file, the byte at which its values begin, and their number of bytes."""
    if not path.is_file():
        raise DataError(f"{path} is missing: {MEND}")
    shape: tuple[int, ...] = (rows,)
    expected = _written_header(kind, shape)
    try:
        with path.open("rb") as file:
            if file.read(len(expected)) == expected:  # parsing takes ten times as long, and there may be many parts
                by_column, found = False, kind
            else:
                file.seek(0)
                np.lib.format.read_magic(file)
                shape, by_column, found = np.lib.format.read_array_header_1_0(file)
            begin = file.tell()
    except Exception:  # numpy parses the header as a Python literal, which can raise any error of the parser
        raise DataError(f"{path} is no file of a stream: {MEND}") from None
    if found != kind or shape[:1] != (rows,) or by_column:
        raise DataError(f"{path} holds {found} {list(shape)} where {FILE} expects {rows} rows of {kind}: {MEND}")
    size = begin + int(np.prod(shape)) * kind.itemsize
    if path.stat().st_size != size:
        raise DataError(f"{path} has {path.stat().st_size} bytes instead of {size}: {MEND}")
    return shape, begin, size


@lru_cache(maxsize=16)
def _written_header(kind: np.dtype, shape: tuple[int, ...]) -> bytes:
    """The header that an ``.npy`` file of this kind has."""
    file = BytesIO()
    descr = np.lib.format.dtype_to_descr(kind)
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


def read_names(folder: Path, file: str) -> pl.Series:
    """Read the names in the order of their ids.

    Args:
        folder: the stream.
        file: ``"users"``, ``"items"``, ``"categories"``, or ``"context-0"`` and so on for the context features.

    Raises:
        DataError: if there is no stream, or a file of it is missing or damaged.
    """
    return names_of(folder, Manifest.read(folder), file)


def names_of(folder: Path, manifest: Manifest, file: str) -> pl.Series:
    """The names in the order of their ids, as many as the manifest counts; see :func:`read_names`."""
    frames, name = [], f"{file}.parquet"
    for part in manifest.parts:
        Intact(folder / part.folder, part.digest, lambda found: found == name)()
        frames.append(read_frame(folder / part.folder / name))
    return pl.concat([frame for frame in frames if len(frame)] or frames[:1])["name"]


def kinds_of_names(manifest: Manifest) -> list[str]:
    """The kinds of ids that have names, as their files are called; see :func:`read_names`."""
    return ["users", "items", "categories", *(f"context-{number}" for number in range(len(manifest.context)))]


def read_frame(path: Path) -> pl.DataFrame:
    """Read a Parquet file of a stream.

    Raises:
        DataError: if the file is missing or damaged.
    """
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError):
        state = "is damaged" if path.is_file() else "is missing"
        raise DataError(f"{path} {state}: restore it, or convert again") from None


def read_catalogue(folder: Path, manifest: Manifest) -> Catalogue:
    """Read the newest catalogue and its updates.

    Raises:
        DataError: if a file is missing, cut off or of another kind.
    """
    first, updates, before, row = [], [], 0, 0
    for part in manifest.parts:
        place = folder / part.folder
        Intact(place, part.digest, lambda name: name.startswith(CATALOGUE))()
        first.append(read_array(place / f"{CATALOGUE}.npy", np.dtype(np.int32), part.items - before))
        if part.updates:
            items = read_array(place / f"{CATALOGUE}-items.npy", np.dtype(np.int32), part.updates)
            after = read_array(place / f"{CATALOGUE}-updates.npy", np.dtype(np.int32), part.updates)
            updates.append((row, items, after))
        before, row = part.items, row + part.rows
    return build(first, updates)
