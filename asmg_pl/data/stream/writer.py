"""Writes a stream, and appends to it.

An append holds the stream's lock from its first read until its rows are part of the stream:

    .writing-…/  ─▶ digests, all on the disk ─▶ renamed to part-00001/, index-00001/ ─▶ stream.json, which names them

An append that ends before the last step leaves folders that the manifest does not name. The next append removes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl

from asmg_pl.data.columns import Columns
from asmg_pl.data.encoding import encode
from asmg_pl.data.features import Features
from asmg_pl.data.fingerprint import BLOCK, digest
from asmg_pl.data.log import InteractionLog, Sizes
from asmg_pl.data.names import Names
from asmg_pl.data.schema import PLAIN, by_time, checked, context_of
from asmg_pl.data.stream.appending import aside, index_name, stream_lock, sweep
from asmg_pl.data.stream.arrays import read_array
from asmg_pl.data.stream.categorising import categorise, update_categories
from asmg_pl.data.stream.digests import Intact, write_digests
from asmg_pl.data.stream.manifest import FILE, MOST_CARRIED, History, Manifest, Part, part_name
from asmg_pl.data.stream.part import write_part
from asmg_pl.data.stream.reader import (
    CATALOGUE,
    length_type,
    names_of,
    open_stream,
    read_catalogue,
    read_frame,
)
from asmg_pl.data.stream.tails import TAIL, advance
from asmg_pl.errors import DataError
from asmg_pl.system.files import sync


class StreamWriter:
    """A writer of streams. Appending rows in pieces gives the same batches as writing them at once."""

    def __init__(
        self,
        folder: Path,
        history: History = "positive",
        carry: int = 128,
        wait: float = 0.0,
        features: Features = PLAIN,
    ) -> None:
        """Create a stream, or open one to append to it.

        Args:
            folder: the stream's folder.
            history: which rows enter later histories: those with label 1, or all.
            carry: the number of a user's past items that each part repeats, which is the longest history of a row.
            wait: seconds to wait for another program that is writing the stream.
            features: which columns of the rows hold numbers, lists, weights and further labels.

        Raises:
            BusyError: if another program is writing the stream.
            DataError: if the stream was begun with other settings, or is damaged.
        """
        if history not in get_args(History):
            raise DataError(f"history must be one of {', '.join(get_args(History))}, got {history!r}")
        if not 0 <= carry <= MOST_CARRIED:
            raise DataError(f"carry must be from 0 to {MOST_CARRIED}, got {carry}")
        self.folder = folder
        self.wait = wait
        self._manifest = Manifest(history, carry, 0, {}, (), features=features, lists=dict.fromkeys(features.lists, 0))
        self._names = {"users": Names("user"), "items": Names("item"), "categories": Names("categories")}
        self._tails = np.zeros(0, TAIL)
        self._waiting: pl.DataFrame | None = None  # catalogue rows of items that have not appeared yet
        if (folder / FILE).exists():
            with stream_lock(folder, wait):
                self._refresh()

    def append(
        self, rows: pl.DataFrame, items: pl.DataFrame | None = None, attached: Mapping[str, bytes] | None = None
    ) -> int:
        """Append rows to the stream. An interrupted append leaves the stream as it was.

        Args:
            rows: columns ``user``, ``item`` (integers or strings), ``label`` (0 or 1) and ``time`` (integer), in any
                order; rows with equal times keep their order. Any further column is a context feature (integers or
                strings), unless the stream's ``features`` name it.
            items: columns ``item`` and ``categories`` (a list of integers or strings per item). The categories count
                from these rows on; earlier rows keep the earlier ones. Entries of items that have not appeared yet are
                kept until these appear. An empty list changes nothing.
            attached: files to keep with the rows, by name; they join the stream in the same step.

        Returns:
            The number of items of earlier rows whose categories change with these rows.

        Raises:
            BusyError: if another program is writing the stream.
            DataError: if the rows are not as described, have other context features than the stream, or are earlier
                than the stream's end.
        """
        rows = by_time(checked(rows, self._manifest.features))
        self.folder.mkdir(parents=True, exist_ok=True)
        with stream_lock(self.folder, self.wait):
            self._refresh()
            try:
                return self._append(rows, items, attached or {})
            except OSError as error:  # the disk is full, or writing is not permitted
                raise DataError(
                    f"the rows could not be written to the stream in {self.folder}, which is as it was ({error}): make "
                    "room, or see to the permissions, and append again"
                ) from error

    def _append(self, rows: pl.DataFrame, items: pl.DataFrame | None, attached: Mapping[str, bytes]) -> int:
        self._check_fit(rows)
        arrays, names = encode(rows, self._manifest.features, self._names)
        new, known = names["items"].since(len(self._names["items"])), self._names["items"].since(0)
        catalogue, waiting, categories = categorise(items, self._waiting, new, names["items"], names["categories"])
        newest = np.zeros((0, 0), np.int32)
        if items is not None and len(known):
            newest = read_catalogue(self.folder, self._manifest)[0].numpy()
        updated, updates, names["categories"] = update_categories(items, known, newest, categories)

        tails = np.zeros(len(names["users"]), TAIL)
        tails[: len(self._tails)] = self._tails
        log = open_stream(self.folder) if self._manifest.parts else None
        user, item, label, time = (arrays[name] for name in ("user", "item", "label", "time"))
        found = advance((user, item, label, time), tails, log, self._manifest)
        length = np.minimum(found.length, self._manifest.carry).astype(length_type(self._manifest.carry))
        arrays |= {"history_end": found.end, "history_length": length, "sequence": found.sequence}
        parts = log.parts if log else ()
        digests = block_digests(arrays, parts, sum(part.rows for part in self._manifest.parts))
        arrays[CATALOGUE] = catalogue
        if len(updated):
            arrays |= {f"{CATALOGUE}-items": updated, f"{CATALOGUE}-updates": updates}
        self._write(arrays, digests, names, tails, waiting, attached)
        return len(updated)

    def _check_fit(self, rows: pl.DataFrame) -> None:
        """Refuse rows that do not continue the stream."""
        if not self._manifest.parts:
            return
        had, has = list(self._manifest.context), context_of(rows, self._manifest.features)
        if had != has:
            raise DataError(
                f"the stream in {self.folder} has the context features {had}, these rows have {has}: give the same"
            )
        end, first = self._manifest.parts[-1].last_time, rows.item(0, "time")
        if first < end:
            earlier = (rows["time"] < end).sum()
            raise DataError(
                f"{earlier} of {len(rows)} rows are earlier (the first at {first}) than the end of the stream in "
                f"{self.folder} ({end}): append rows in the order of time, or convert all of them again"
            )

    def _write(
        self,
        arrays: Mapping[str, np.ndarray],
        digests: tuple[str, ...],
        names: dict[str, Names],
        tails: np.ndarray,
        waiting: pl.DataFrame | None,
        attached: Mapping[str, bytes],
    ) -> None:
        """Write a part beside the stream, and then make it a part of the stream."""
        number = len(self._manifest.parts)
        sweep(self.folder, self._manifest)
        with aside(self.folder) as part_aside, aside(self.folder) as index_aside:
            new = {what: known.since(len(self._names.get(what, ()))) for what, known in names.items()}
            digest = write_part(part_aside, arrays, new, attached)
            np.save(index_aside / "tails.npy", tails)
            if waiting is not None:
                waiting.write_parquet(index_aside / "catalogue.parquet")
            part = Part(
                folder=part_name(number),
                rows=len(arrays["time"]),
                entries=len(arrays["sequence"]),
                users=len(names["users"]),
                items=len(names["items"]),
                first_time=int(arrays["time"][0]),
                last_time=int(arrays["time"][-1]),
                digests=digests,
                updates=len(arrays.get(f"{CATALOGUE}-items", ())),
                digest=digest,
            )
            manifest = replace(
                self._manifest,
                categories=len(names["categories"]),
                context={name.what: len(name) for file, name in names.items() if file.startswith("context-")},
                lists={name.what: len(name) for file, name in names.items() if file.startswith("list-")},
                parts=(*self._manifest.parts, part),
                index=write_digests(index_aside),
            )
            for place in (part_aside, index_aside):
                for path in (*place.iterdir(), place):
                    sync(path)
            # Some file systems have no locks, so look again.
            if (self.folder / FILE).exists() and Manifest.read(self.folder) != self._manifest:
                raise DataError(f"another program has appended to the stream in {self.folder} meanwhile: append again")
            part_aside.rename(self.folder / part.folder)
            index_aside.rename(self.folder / index_name(number))
            manifest.write(self.folder)
        self._manifest, self._names, self._tails, self._waiting = manifest, names, tails, waiting
        sweep(self.folder, self._manifest)

    def _refresh(self) -> None:
        """Read appends of other programs since. The caller holds the stream's lock.

        Raises:
            DataError: if the stream was begun with other settings, or is damaged.
        """
        if not (self.folder / FILE).exists() and not self._manifest.parts:
            return
        manifest = Manifest.read(self.folder)
        if manifest == self._manifest:
            return
        for name in ("history", "carry", "features"):
            was, given = getattr(manifest, name), getattr(self._manifest, name)
            if was != given:
                raise DataError(f"the stream in {self.folder} was begun with {name} {was}, not {given}: give {was}")
        self._read_state(manifest)
        self._manifest = manifest

    def _read_state(self, manifest: Manifest) -> None:
        """Read the data for the next append."""
        names = {"users": "user", "items": "item", "categories": "categories"}
        names |= {f"context-{number}": name for number, name in enumerate(manifest.context)}
        names |= {f"list-{number}": name for number, name in enumerate(manifest.lists)}
        self._names = {file: Names(what, names_of(self.folder, manifest, file)) for file, what in names.items()}
        index = self.folder / index_name(len(manifest.parts) - 1)
        Intact(index, manifest.index)()
        self._tails = read_array(index / "tails.npy", TAIL, len(self._names["users"]))
        waiting = index / "catalogue.parquet"
        self._waiting = read_frame(waiting) if waiting.exists() else None


def block_digests(columns: Mapping[str, np.ndarray], earlier: Sequence[Columns], before: int) -> tuple[str, ...]:
    """The digests of the blocks of rows that new rows fill.

    Args:
        columns: the columns of the new rows.
        earlier: the newest rows before them; as many as the first of these blocks has, or more.
        before: the number of all rows before the new ones.
    """
    blocks = range(before // BLOCK, (before + len(columns["time"])) // BLOCK)
    if not blocks:  # few rows are converted without torch, whose import would take most of the time
        return ()
    log = InteractionLog((*earlier, Columns.from_numpy(columns)), None, Sizes(0, 0))
    left_out = before - sum(part.rows for part in earlier)
    return tuple(digest(log, block * BLOCK - left_out, (block + 1) * BLOCK - left_out) for block in blocks)
