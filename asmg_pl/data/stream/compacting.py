"""Merges the parts of a stream into fewer ones, with the same rows, ids, names and histories.

    part-00000 … part-09499  ─▶  .writing-…/  ─▶  part-00000-1 … part-00002-1  ─▶  stream.json, which names them

Until ``stream.json`` is replaced, the stream is the old one, whole; then the old parts are removed. A reader that has
them mapped goes on with them. One group of parts at a time is in memory.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from asmg_pl.data.columns import Columns
from asmg_pl.data.log import InteractionLog, Sizes
from asmg_pl.data.stream.appending import aside, index_name, stream_lock, sweep
from asmg_pl.data.stream.arrays import read_array
from asmg_pl.data.stream.digests import FILE as DIGESTS
from asmg_pl.data.stream.digests import MEND, Intact, write_digests
from asmg_pl.data.stream.manifest import Manifest, Part, part_name
from asmg_pl.data.stream.part import write_part
from asmg_pl.data.stream.reader import (
    CATALOGUE,
    joined,
    kinds_of_names,
    open_part,
    read_frame,
    read_updates,
    types_of,
)
from asmg_pl.data.stream.tails import TAIL, advance
from asmg_pl.data.tables.rows import progress
from asmg_pl.errors import DataError
from asmg_pl.system.files import sync

#: The most rows of a merged part. A part that has more stays as it is.
MOST_ROWS = 2**22

#: Joins the files of one name that are attached to several parts, in their order.
Join = Callable[[str, Sequence[bytes]], bytes]


@dataclass(frozen=True)
class Compaction:
    """A summary of a compaction.

    Attributes:
        before: the number of parts that the stream had.
        parts: the number of parts that it has now.
        rows: the number of its rows.
    """

    before: int
    parts: int
    rows: int


def compact(folder: Path, join: Join, wait: float = 0.0, most_rows: int = MOST_ROWS) -> Compaction:
    """Merge the parts of a stream. An interruption leaves the old stream or the new one, whole.

    Args:
        folder: the stream.
        join: joins files that are attached to the parts.
        wait: seconds to wait for another program that is writing the stream.
        most_rows: the most rows of a merged part.

    Raises:
        BusyError: if another program is writing the stream.
        DataError: if there is no stream, it is damaged, or there is no room for the new parts beside the old ones.
    """
    Manifest.read(folder)  # leave a folder that is no stream as it is
    with stream_lock(folder, wait):
        manifest = Manifest.read(folder)
        sweep(folder, manifest)
        groups = _groups(manifest.parts, most_rows)
        if len(groups) < len(manifest.parts):
            try:
                _merge(folder, manifest, groups, join)
            except OSError as error:  # the disk is full, or writing is not permitted
                raise DataError(
                    f"the parts of the stream in {folder} could not be merged, and it is as it was ({error}): make "
                    "room for as much as it takes now, or see to the permissions"
                ) from error
        return Compaction(len(manifest.parts), len(groups), sum(part.rows for part in manifest.parts))


def _groups(parts: Sequence[Part], most_rows: int) -> list[list[Part]]:
    """Parts that follow each other and have not too many rows together."""
    groups: list[list[Part]] = []
    rows = 0
    for part in parts:
        if not groups or rows + part.rows > most_rows:
            groups.append([])
            rows = 0
        groups[-1].append(part)
        rows += part.rows
    return groups


def _merge(folder: Path, manifest: Manifest, groups: Sequence[Sequence[Part]], join: Join) -> None:
    """Write the new parts and their index beside the stream, and make them the stream's."""
    new = replace(manifest, parts=())
    mapped: list[Columns] = []
    places: list[tuple[Path, str]] = []
    tails = np.zeros(manifest.sizes.users, TAIL)
    rows = sum(part.rows for part in manifest.parts)
    with ExitStack() as stack, progress("merge", rows, " rows") as bar:
        for number, group in enumerate(groups):
            place = stack.enter_context(aside(folder))
            log = InteractionLog(tuple(mapped), None, Sizes(0, 0)) if mapped else None
            name = part_name(number, manifest.generation + 1)
            part = replace(_merged(folder, place, group, new, tails, log, join), folder=name)
            new = replace(new, parts=(*new.parts, part))
            mapped.append(open_part(folder, replace(part, folder=place.name), manifest))
            places.append((place, part.folder))
            bar.update(part.rows)
        index = stack.enter_context(aside(folder))
        _write_index(folder / index_name(len(manifest.parts) - 1), index, manifest.index, tails)
        new = replace(new, index=write_digests(index))
        places.append((index, index_name(len(groups) - 1)))
        for place, _ in places:
            for path in (*place.iterdir(), place):
                sync(path)
        if Manifest.read(folder) != manifest:  # some file systems have no locks, so look again
            raise DataError(f"another program has appended to the stream in {folder} meanwhile: merge again")
        for place, name in places:
            place.rename(folder / name)
        new.write(folder)
    sweep(folder, new)


def _merged(
    folder: Path,
    place: Path,
    group: Sequence[Part],
    so_far: Manifest,
    tails: np.ndarray,
    log: InteractionLog | None,
    join: Join,
) -> Part:
    """Write one part for a group of parts, and move ``tails`` to its end."""
    for part in group:
        Intact(folder / part.folder, part.digest)()
    arrays = {
        name: _column(folder, group, name, kind)
        for name, (kind, _) in types_of(so_far).items()
        if name != "history_end"
    }
    user, item, label, time = (arrays[name] for name in ("user", "item", "label", "time"))
    found = advance((user, item, label, time), tails, log, so_far)
    if not np.array_equal(np.minimum(found.length, so_far.carry), arrays["history_length"]):
        raise DataError(f"the histories in {folder / group[0].folder} are not those of the rows before: {MEND}")
    if len(group) == 1:  # nothing to merge; the old part may still be in use, and the new one shares its files
        for path in (folder / group[0].folder).iterdir():
            _share(path, place / path.name)
        return group[0]
    arrays |= {"history_end": found.end, "sequence": found.sequence}
    kinds = kinds_of_names(so_far)
    tables = {kind: [read_frame(folder / part.folder / f"{kind}.parquet") for part in group] for kind in kinds}
    names = {kind: joined([table["name"] for table in each]) for kind, each in tables.items()}
    before = so_far.parts[-1].items if so_far.parts else 0
    arrays |= _catalogue(folder, group, before)
    digest = write_part(place, arrays, names, _attached(folder, group, kinds, join))
    return replace(
        group[-1],
        rows=len(user),
        entries=len(found.sequence),
        first_time=group[0].first_time,
        digests=tuple(digest for part in group for digest in part.digests),
        updates=sum(part.updates for part in group),
        digest=digest,
    )


def _column(folder: Path, group: Sequence[Part], name: str, kind: np.dtype) -> np.ndarray:
    """A column of several parts, in memory: so many files may not be mapped at once."""
    return np.concatenate([read_array(folder / part.folder / f"{name}.npy", kind, part.rows) for part in group])


def _catalogue(folder: Path, group: Sequence[Part], before: int) -> dict[str, np.ndarray]:
    """The arrays of the catalogue: the categories of new items, and later changes with the rows at which they count."""
    first, rows, items, after, row = [], [], [], [], 0
    for part in group:
        path = folder / part.folder / f"{CATALOGUE}.npy"
        first.append(read_array(path, np.dtype(np.int32), part.items - before))
        for since, changed, categories in read_updates(folder, part) if part.updates else ():
            rows.append(np.full(len(changed), row + since, np.int64))
            items.append(changed)
            after.append(categories)
        before, row = part.items, row + part.rows
    arrays = {CATALOGUE: _stacked(first)}
    if rows:
        arrays |= {f"{CATALOGUE}-rows": np.concatenate(rows), f"{CATALOGUE}-items": np.concatenate(items)}
        arrays |= {f"{CATALOGUE}-updates": _stacked(after)}
    return arrays


def _stacked(tables: Sequence[np.ndarray]) -> np.ndarray:
    """Tables one below the other, padded with -1 to one width."""
    width = max(table.shape[1] for table in tables)
    padded = [np.pad(table, ((0, 0), (0, width - table.shape[1])), constant_values=-1) for table in tables]
    return np.concatenate(padded)


def _attached(folder: Path, group: Sequence[Part], kinds: Sequence[str], join: Join) -> dict[str, bytes]:
    """The files attached to several parts, joined by name."""
    own = {DIGESTS, *(f"{kind}.parquet" for kind in kinds)}
    found: dict[str, list[bytes]] = {}
    for part in group:
        for path in sorted((folder / part.folder).iterdir()):
            if path.suffix != ".npy" and path.name not in own:
                found.setdefault(path.name, []).append(path.read_bytes())
    return {name: join(name, contents) for name, contents in found.items()}


def _write_index(old: Path, place: Path, digest: str, tails: np.ndarray) -> None:
    """Write the index of the new parts; all but the places of the users' latest items is as before."""
    Intact(old, digest)()
    for path in old.iterdir():
        if path.name != DIGESTS:
            shutil.copyfile(path, place / path.name)
    np.save(place / "tails.npy", tails)


def _share(path: Path, other: Path) -> None:
    """Give a file a second name, or make a copy where the file system has no second names."""
    try:
        os.link(path, other)
    except OSError:
        shutil.copyfile(path, other)
