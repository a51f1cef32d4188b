"""Opens a stream: its columns are mapped into memory, and read when they are needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import polars as pl

from asmg_pl.data.catalogue import Catalogue, build
from asmg_pl.data.columns import Columns
from asmg_pl.data.log import InteractionLog
from asmg_pl.data.stream.arrays import map_file, read_array
from asmg_pl.data.stream.digests import MEND, Intact
from asmg_pl.data.stream.manifest import FILE, Manifest, Part
from asmg_pl.errors import DataError
from asmg_pl.system.lazy import later

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = later("torch")

_ID = np.dtype(np.int32)

Read = TypeVar("Read")

#: The prefix of a part's files of categories.
CATALOGUE = "catalogue"


def open_stream(folder: Path) -> InteractionLog:
    """Open a stream that a :class:`~asmg_pl.data.stream.StreamWriter` has written.

    Rows that are appended later are seen when the stream is opened again. The columns of a part are compared with their
    digests when its rows are first used; a :class:`DataError` then names a damaged file. Parts that are merged later
    stay mapped as they are.

    Raises:
        DataError: if the folder holds no stream, or one of its files is missing, cut off or of another kind.
    """
    return while_parts_stay(folder, lambda manifest: _open(folder, manifest))


def while_parts_stay(folder: Path, read: Callable[[Manifest], Read]) -> Read:
    """Read files of a stream's parts; once more if the parts were merged meanwhile, so that a file was not there.

    Raises:
        DataError: if the folder holds no stream, or reading raised it.
    """
    manifest = Manifest.read(folder)
    while True:
        try:
            return read(manifest)
        except DataError:
            now = Manifest.read(folder)
            if now.generation == manifest.generation:
                raise
            manifest = now


def _open(folder: Path, manifest: Manifest) -> InteractionLog:
    parts = tuple(open_part(folder, part, manifest) for part in manifest.parts)
    return replace(
        described(folder, manifest, parts),
        intact=tuple(
            Intact(folder / part.folder, part.digest, is_column, partial(mapped, columns))
            for part, columns in zip(manifest.parts, parts, strict=True)
        ),
        names={what: partial(names_of, folder, manifest, what) for what in kinds_of_names(manifest)},
    )


def described(folder: Path, manifest: Manifest, parts: Sequence[Columns]) -> InteractionLog:
    """The log of a stream's parts."""
    rows = 0
    landmarks = {0: (0, 0)}
    for part in manifest.parts:
        rows += part.rows
        landmarks[rows] = part.users, part.items
    categories, updates = read_catalogue(folder, manifest) if manifest.categories else (None, ())
    return InteractionLog(
        parts=parts,
        categories=categories,
        sizes=manifest.sizes,
        longest_history=manifest.carry,
        digests=tuple(digest for part in manifest.parts for digest in part.digests),
        landmarks=landmarks,
        updates=updates,
        context_names=tuple(manifest.context),
        history=manifest.history,
    )


def open_part(folder: Path, part: Part, manifest: Manifest) -> Columns:
    """The columns of one part.

    Raises:
        DataError: if one of their files is missing, cut off or of another kind.
    """
    place = folder / part.folder
    columns = {
        name: map_file(place / f"{name}.npy", kind, part.rows, width)
        for name, (kind, width) in types_of(manifest).items()
    }
    columns["sequence"] = map_file(place / "sequence.npy", _ID, part.entries)
    if (int(columns["time"][0]), int(columns["time"][-1])) != (part.first_time, part.last_time):
        raise DataError(f"{place / 'time.npy'} has other times than {FILE} expects: {MEND}")
    return Columns.named(columns)


def types_of(manifest: Manifest) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
    """The columns with a value for each row, by file name: the type of the values, and the shape of a row's value."""
    types: dict[str, tuple[np.dtype, tuple[int, ...]]] = {
        "user": (_ID, ()),
        "item": (_ID, ()),
        "label": (np.dtype(np.uint8), ()),
        "time": (np.dtype(np.int64), ()),
        "history_end": (_ID, ()),
        "history_length": (length_type(manifest.carry), ()),
    }
    types |= {f"context-{number}": (_ID, ()) for number in range(len(manifest.context))}
    features, number = manifest.features, np.dtype(np.float32)
    if features.numbers:
        types["numbers"] = number, (len(features.numbers),)
    if features.lists:
        types["lists"] = _ID, (len(features.lists), features.list_size)
    if features.weight is not None:
        types["weight"] = number, ()
    if features.labels:
        types["labels"] = number, (len(features.labels),)
    return types


def check_part(folder: Path, part: Part) -> None:
    """Compare the columns of a part with their digests.

    Raises:
        DataError: if one of their files is missing or damaged.
    """
    Intact(folder / part.folder, part.digest, is_column)()


def mapped(columns: Columns, file: str) -> np.ndarray:
    """The whole content of a mapped file, uint8."""
    name = file.removesuffix(".npy")
    context = re.fullmatch(r"context-(\d+)", name)
    column: Tensor = columns.context[int(context[1])] if context else getattr(columns, name)
    return torch.empty(0, dtype=torch.uint8).set_(column.untyped_storage()).numpy()


def is_column(file: str) -> bool:
    """Whether a part's file is mapped; other files are read as a whole when the stream is opened."""
    return file.endswith(".npy") and not file.startswith(CATALOGUE)


def length_type(carry: int) -> np.dtype:
    """The smallest type for the lengths of histories that torch can index."""
    return np.dtype(np.uint8 if carry < 2**8 else np.int16)


def read_names(folder: Path, file: str) -> pl.Series:
    """Read the names in the order of their ids.

    Args:
        folder: the stream.
        file: ``"users"``, ``"items"``, ``"categories"``, or ``"context-0"`` and so on for the context features, and
            ``"list-0"`` and so on for the multi-valued features.

    Raises:
        DataError: if there is no stream, or a file of it is missing or damaged.
    """
    return while_parts_stay(folder, lambda manifest: joined(new_names(folder, manifest, file)))


def names_of(folder: Path, manifest: Manifest, file: str) -> pl.Series:
    """The names in the order of their ids, as many as the manifest counts; see :func:`read_names`."""
    try:
        return joined(new_names(folder, manifest, file))
    except DataError:  # the parts of an earlier manifest may have been merged, and later ones added
        if Manifest.read(folder).generation == manifest.generation:
            raise
    sizes = manifest.sizes
    counts = {"users": sizes.users, "items": sizes.items, "categories": sizes.categories}
    counts |= {f"context-{number}": count for number, count in enumerate(sizes.context)}
    counts |= {f"list-{number}": feature.values for number, feature in enumerate(sizes.lists)}
    return read_names(folder, file)[: counts[file]]


def new_names(folder: Path, manifest: Manifest, file: str) -> list[pl.Series]:
    """The names that are new in each part, in the order of their ids; see :func:`read_names`."""
    frames, name = [], f"{file}.parquet"
    for part in manifest.parts:
        Intact(folder / part.folder, part.digest, lambda found: found == name)()
        frames.append(read_frame(folder / part.folder / name)["name"])
    return frames


def joined(names: list[pl.Series]) -> pl.Series:
    """The names of several parts one after the other; parts without names may have them in another type."""
    return pl.concat([each for each in names if len(each)] or names[:1])


def kinds_of_names(manifest: Manifest) -> list[str]:
    """The kinds of ids that have names, as their files are called; see :func:`read_names`."""
    context = [f"context-{number}" for number in range(len(manifest.context))]
    return ["users", "items", "categories", *context, *(f"list-{number}" for number in range(len(manifest.lists)))]


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
            updates += [(row + since, items, after) for since, items, after in read_updates(folder, part)]
        before, row = part.items, row + part.rows
    return build(first, updates)


def read_updates(folder: Path, part: Part) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """The changes of categories within a part, the oldest first.

    Returns:
        For each change: the row of the part from which on it counts, the items, int32 [m], and their categories, int32
        [m, C].

    Raises:
        DataError: if a file is missing, cut off or of another kind.
    """
    place = folder / part.folder
    items = read_array(place / f"{CATALOGUE}-items.npy", np.dtype(np.int32), part.updates)
    after = read_array(place / f"{CATALOGUE}-updates.npy", np.dtype(np.int32), part.updates)
    rows = place / f"{CATALOGUE}-rows.npy"  # only merged parts have it
    since = read_array(rows, np.dtype(np.int64), part.updates) if rows.exists() else np.zeros(part.updates, np.int64)
    begins = np.flatnonzero(np.diff(since, prepend=-1))
    cut = zip(begins, np.split(items, begins[1:]), np.split(after, begins[1:]), strict=True)
    return [(int(since[begin]), changed, categories) for begin, changed, categories in cut]
