"""Writing a stream, and appending to it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl

from asmg_pl.data.catalogue import number_categories, plain_catalogue
from asmg_pl.data.columns import Columns
from asmg_pl.data.histories import Histories, histories
from asmg_pl.data.log import BLOCK, InteractionLog, Sizes
from asmg_pl.data.names import Names
from asmg_pl.data.stream.manifest import FILE, MOST_CARRIED, History, Manifest, Part, part_name, sync
from asmg_pl.data.stream.reader import length_type, open_stream, read_array, read_names, read_table
from asmg_pl.data.stream.tails import TAIL, densely, past_of
from asmg_pl.data.table import CONTEXT_FROM, checked
from asmg_pl.errors import DataError


class StreamWriter:
    """Writes a stream part by part; appending in pieces gives the same batches as writing all rows at once."""

    def __init__(self, folder: Path, history: History = "positive", carry: int = 128) -> None:
        """Create a stream, or open one to append to it.

        Args:
            folder: the stream's folder.
            history: which rows enter later histories: those with label 1, or all.
            carry: how many items of a user's past each part has at hand, and so the longest history that a row can
                have.

        Raises:
            DataError: if the stream was begun with other settings, or is damaged.
        """
        if history not in get_args(History):
            raise DataError(f"history must be one of {', '.join(get_args(History))}, got {history!r}")
        if not 0 <= carry <= MOST_CARRIED:
            raise DataError(f"carry must be from 0 to {MOST_CARRIED}, got {carry}")
        self.folder = folder
        self._manifest = Manifest(history, carry, 0, {}, ())
        self._names = {"users": Names("user"), "items": Names("item"), "categories": Names("categories")}
        self._tails = np.zeros(0, TAIL)
        self._waiting: pl.DataFrame | None = None  # catalogue rows of items that have not appeared yet
        if (folder / FILE).exists():
            self._manifest = Manifest.read(folder)
            for name, given in {"history": history, "carry": carry}.items():
                if (was := getattr(self._manifest, name)) != given:
                    raise DataError(f"the stream in {folder} was begun with {name} {was}, not {given}: give {was}")
            self._read_state()

    def append(self, rows: pl.DataFrame, items: pl.DataFrame | None = None) -> None:
        """Append rows to the stream; whatever interrupts it leaves the stream as it was.

        Args:
            rows: columns ``user``, ``item`` (integers or strings), ``label`` (0 or 1) and ``time`` (integer), in any
                order; rows of equal time keep theirs. Any further column is a context feature (integers or strings).
            items: columns ``item`` and ``categories`` (a list of integers or strings per item). What is known of an
                item when it first appears stays; entries of items that have not appeared yet are kept for them.

        Raises:
            DataError: if the table is not as described, differs from the earlier ones in its context features, or has
                rows earlier than the stream's end.
        """
        rows = checked(rows).sort("time", maintain_order=True)
        self._check_fit(rows)
        names = dict(self._names)
        user, names["users"] = names["users"].number(rows["user"])
        item, names["items"] = names["items"].number(rows["item"])
        context = []
        for number, name in enumerate(rows.columns[CONTEXT_FROM:]):
            ids, names[f"context-{number}"] = names.get(f"context-{number}", Names(name)).number(rows[name])
            context.append(ids)
        catalogue, waiting = self._categorise(items, names)

        label, time = rows["label"].to_numpy().copy(), rows["time"].to_numpy().copy()
        tails = np.zeros(len(names["users"]), TAIL)
        tails[: len(self._tails)] = self._tails
        found = self._find_histories(user, item, time, label, tails)
        length = np.minimum(found.length, self._manifest.carry).astype(length_type(self._manifest.carry))
        part = Columns.from_numpy(
            context,
            **{"user": user, "item": item, "label": label, "time": time},
            **{"history_end": found.end, "history_length": length, "sequence": found.sequence},
        )
        self._write(part, catalogue, names, tails, waiting)

    def _check_fit(self, rows: pl.DataFrame) -> None:
        """Refuse rows that do not continue the stream."""
        if not self._manifest.parts:
            return
        had, has = list(self._manifest.context), rows.columns[CONTEXT_FROM:]
        if had != has:
            raise DataError(f"the stream in {self.folder} has the context features {had}, these rows have {has}")
        end, first = self._manifest.parts[-1].last_time, rows.item(0, "time")
        if first < end:
            earlier = (rows["time"] < end).sum()
            raise DataError(
                f"{earlier} of {len(rows)} rows are earlier (the first at {first}) than the end of the stream in "
                f"{self.folder} ({end}): append rows in the order of time, or convert all of them again"
            )

    def _categorise(
        self, items: pl.DataFrame | None, names: dict[str, Names]
    ) -> tuple[np.ndarray, pl.DataFrame | None]:
        """Categories of the new items, int32 [new, C]; and what the catalogue has of items that are still to come."""
        new = names["items"].since(len(self._names["items"]))
        catalogue = self._waiting
        if items is not None:
            catalogue = (
                plain_catalogue(items)
                if self._waiting is None
                else plain_catalogue(pl.concat([self._waiting, plain_catalogue(items)]))
            )
        if catalogue is None:
            return np.zeros((len(new), 0), np.int32), None
        table, names["categories"] = number_categories(new, catalogue, names["categories"])
        return table, names["items"].without(catalogue, "item")

    def _find_histories(
        self, user: np.ndarray, item: np.ndarray, time: np.ndarray, label: np.ndarray, tails: np.ndarray
    ) -> Histories:
        """The histories of new rows; ``tails`` is brought to their end."""
        active, local = densely(user, len(tails))
        past = None
        if self._manifest.parts:
            past = past_of(active, tails, open_stream(self.folder), int(time[0]), self._manifest)
        enters = label.astype(bool) if self._manifest.history == "positive" else np.ones(len(label), dtype=bool)
        found = histories(local, item, time, enters, past)
        if len(found.sequence) >= 2**31:
            raise DataError(f"{len(user)} rows with their histories are too many for one part: append them in pieces")
        tails["part"][active] = len(self._manifest.parts)
        tails["end"][active] = found.segment_end
        tails["length"][active] = found.segment_length
        return found

    def _write(
        self,
        rows: Columns,
        catalogue: np.ndarray,
        names: dict[str, Names],
        tails: np.ndarray,
        waiting: pl.DataFrame | None,
    ) -> None:
        """Write a part beside those that there are, then make it one of them."""
        number = len(self._manifest.parts)
        folder, index = self.folder / part_name(number), self.folder / index_name(number)
        for place in (folder, index):
            if place.exists():
                shutil.rmtree(place)  # left by an append that was interrupted
            place.mkdir(parents=True)
        files = {name: column for name, column in rows._asdict().items() if name != "context"}
        files |= {f"context-{number}": column for number, column in enumerate(rows.context)}
        for name, column in files.items():
            np.save(folder / f"{name}.npy", column.numpy())
        np.save(folder / "catalogue.npy", catalogue)
        for name, known in names.items():
            new = known.since(len(self._names[name]) if name in self._names else 0)
            new.to_frame("name").write_parquet(folder / f"{name}.parquet")
        np.save(index / "tails.npy", tails)
        if waiting is not None:
            waiting.write_parquet(index / "catalogue.parquet")
        for place in (folder, index):
            for path in (*place.iterdir(), place):
                sync(path)

        part = Part(
            folder=folder.name,
            rows=rows.rows,
            entries=len(rows.sequence),
            users=len(names["users"]),
            items=len(names["items"]),
            first_time=int(rows.time[0]),
            last_time=int(rows.time[-1]),
            digests=self._digests(rows),
        )
        context = {name.what: len(name) for file, name in names.items() if file.startswith("context-")}
        manifest = replace(
            self._manifest, categories=len(names["categories"]), context=context, parts=(*self._manifest.parts, part)
        )
        if (self.folder / FILE).exists() and Manifest.read(self.folder) != self._manifest:
            raise DataError(f"another program has appended to the stream in {self.folder} meanwhile: append again")
        manifest.write(self.folder)
        if number:
            shutil.rmtree(self.folder / index_name(number - 1), ignore_errors=True)
        self._manifest, self._names, self._tails, self._waiting = manifest, names, tails, waiting

    def _digests(self, new: Columns) -> tuple[str, ...]:
        """The digests of the blocks of rows that are full with the new ones."""
        parts = open_stream(self.folder).parts if self._manifest.parts else ()
        log = InteractionLog((*parts, new), None, Sizes(0, 0))
        full = (len(log) - new.rows) // BLOCK
        return tuple(log.digest(block * BLOCK, (block + 1) * BLOCK) for block in range(full, len(log) // BLOCK))

    def _read_state(self) -> None:
        """Read what the next append needs to know."""
        names = {"users": "user", "items": "item", "categories": "categories"}
        names |= {f"context-{number}": name for number, name in enumerate(self._manifest.context)}
        self._names = {file: Names(what, read_names(self.folder, file)) for file, what in names.items()}
        index = self.folder / index_name(len(self._manifest.parts) - 1)
        self._tails = read_array(index / "tails.npy", TAIL, len(self._names["users"]))
        if (index / "catalogue.parquet").exists():
            self._waiting = read_table(index / "catalogue.parquet")


def index_name(part: int) -> str:
    """The folder of the index that goes up to a part."""
    return f"index-{part:05}"
