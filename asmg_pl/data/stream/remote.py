"""Opens a stream at an address: a part's columns are fetched when one of its rows is first used.

listing ─▶ stream.json, catalogues      fetched at once
           columns of a part            when its rows are used; let go when others need the room
           names                        when somebody asks for them
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl

from asmg_pl.data.columns import Columns
from asmg_pl.data.log import InteractionLog
from asmg_pl.data.parts import Parts, Span
from asmg_pl.data.past import Values
from asmg_pl.data.stream.digests import FILE as DIGESTS
from asmg_pl.data.stream.digests import Intact
from asmg_pl.data.stream.manifest import FILE, Manifest
from asmg_pl.data.stream.reader import (
    CATALOGUE,
    described,
    is_column,
    kinds_of_names,
    mapped,
    names_of,
    open_part,
    read_frame,
)
from asmg_pl.storage.blobs import cache_size
from asmg_pl.storage.copy import Copy, Wanted


def open_stream_at(address: str) -> InteractionLog:
    """Open a stream at an address through this machine's cache, as :func:`open_stream` opens one of this machine.

    The columns of a part are fetched when its rows are first used, and let go when parts need more room than the cache
    has.

    Raises:
        ConfigError: if there is nothing at the address.
        DataError: if there is no stream, or one of its files is damaged.
        StorageError: if the store does not answer.
    """
    copy, folder = Copy.view(address)
    within = folder.relative_to(copy.folder)

    def bring(part: str, wanted: Wanted) -> None:
        folder_of_part = within / part
        copy.fetch(lambda path: Path(path).parent == folder_of_part and wanted(posixpath.basename(path)))

    bring("", lambda name: name == FILE)
    manifest = Manifest.read(folder)
    sizes = {part.folder: 0 for part in manifest.parts}
    for path, entry in copy.listing.files.items():
        place, name = posixpath.split(path)
        if is_column(name) and posixpath.basename(place) in sizes:
            sizes[posixpath.basename(place)] += entry.bytes

    def opened(number: int) -> Columns:
        part = manifest.parts[number]
        bring(part.folder, lambda name: is_column(name) or name == DIGESTS)
        columns = open_part(folder, part, manifest)
        Intact(folder / part.folder, part.digest, is_column, partial(mapped, columns))()
        return columns

    def names(what: str) -> pl.Series:
        for part in manifest.parts:
            bring(part.folder, lambda name: name in (f"{what}.parquet", DIGESTS))
        return names_of(folder, manifest, what)

    for part in manifest.parts if manifest.categories else ():
        bring(part.folder, lambda name: name.startswith(CATALOGUE) or name == DIGESTS)
    spans = [Span(part.rows, part.first_time, part.last_time, sizes[part.folder]) for part in manifest.parts]
    return replace(
        described(folder, manifest, Parts(spans, opened, cache_size())),
        values=values_at_ends(folder, manifest, bring),
        names={what: partial(names, what) for what in kinds_of_names(manifest)},
    )


def values_at_ends(folder: Path, manifest: Manifest, bring: Callable[[str, Wanted], None]) -> dict[int, Values]:
    """The numbers of values that features have by the end of each part, by the rows up to there.

    Values are numbered by first appearance, so the names that are new in each part tell them, and no row is read.
    """
    found, rows = dict[int, Values](), 0
    kinds = [kind for kind in kinds_of_names(manifest) if kind.startswith(("context-", "list-"))]
    counts = [0] * len(kinds)
    for part in manifest.parts if kinds else ():
        bring(part.folder, lambda name: name.removesuffix(".parquet") in kinds)
        rows += part.rows
        for place, kind in enumerate(kinds):
            counts[place] += len(read_frame(folder / part.folder / f"{kind}.parquet"))
        found[rows] = tuple(counts[: len(manifest.context)]), tuple(counts[len(manifest.context) :])
    return found
