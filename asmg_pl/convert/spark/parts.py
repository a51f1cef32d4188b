"""Writes the parts of a stream, a task for each, into folders that all executors see.

rows of a part, in order ─▶ user.npy, item.npy, …       the arrays of the same writer's format
its new names, by id     ─▶ users.parquet, …
all parts                ─▶ catalogue.npy, tails.npy    one task
each folder              ─▶ digests.json                and all of it on the disk
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pyspark.sql import DataFrame

from asmg_pl.convert.spark.names import Kind
from asmg_pl.convert.spark.pasts import past_of
from asmg_pl.convert.spark.tasks import collected, mapped, runs, whole
from asmg_pl.data.histories import Past, histories, spans
from asmg_pl.data.stream import tails
from asmg_pl.data.stream.appending import index_name
from asmg_pl.data.stream.arrays import read_array
from asmg_pl.data.stream.digests import Intact, write_digests
from asmg_pl.data.stream.manifest import Manifest
from asmg_pl.data.stream.reader import length_type, open_stream
from asmg_pl.data.stream.tails import TAIL, densely
from asmg_pl.data.stream.writer import block_digests
from asmg_pl.errors import DataError
from asmg_pl.system.files import sync


@dataclass(frozen=True)
class Layout:
    """Where the parts of a conversion are written.

    Attributes:
        stream: the folder of the stream.
        manifest: the stream before these parts.
        places: a folder for each part.
        index: the folder of the index.
        stage: a folder for what one task hands to another.
        users: the number of all users.
        ends: the last time of each part.
    """

    stream: Path
    manifest: Manifest
    places: Sequence[Path]
    index: Path
    stage: Path
    users: int
    ends: Sequence[int]

    def old_tails(self) -> np.ndarray:
        """The tails of all users before these parts; new users have none."""
        grown = np.zeros(self.users, TAIL)
        if self.manifest.parts:
            before = self.stream / index_name(len(self.manifest.parts) - 1)
            Intact(before, self.manifest.index, lambda file: file == "tails.npy")()
            known = self.manifest.sizes.users
            grown[:known] = read_array(before / "tails.npy", TAIL, known)
        return grown


def save(path: Path, array: np.ndarray) -> None:
    """Write an array, whole or not at all."""

    def write(partial: Path) -> None:
        with partial.open("wb") as file:
            np.save(file, array)

    whole(path, write)


def write_rows(
    rows: DataFrame, layout: Layout, kinds: Sequence[Kind], features: dict[str, list[str]]
) -> dict[int, Any]:
    """Write the columns of the rows of each part, with their histories.

    Args:
        rows: the rows with ids, ``part`` and ``final``, and the pasts of their users, whose ``final`` is -1.
        layout: where they are written.
        kinds: the kinds of names.
        features: the columns of numbers, weights and further labels, by the arrays that they become.

    Returns:
        By part: the number of entries of its sequence, and the digests of its blocks of rows.
    """

    def task(tables: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for table in runs(tables, "part"):
            entries, digests = _write_rows(table, layout, kinds, features)
            found = {"part": table["part"][:1], "entries": [entries], "digests": [json.dumps(digests)]}
            yield pl.DataFrame(found)

    by_part = rows.repartition(4 * len(layout.places), "part").sortWithinPartitions("part", "final", "id_0")
    done = mapped(by_part, task, {"part": "int", "entries": "bigint", "digests": "string"})
    return {row["part"]: (row["entries"], tuple(json.loads(row["digests"]))) for row in collected(done)}


def _write_rows(
    table: pl.DataFrame, layout: Layout, kinds: Sequence[Kind], features: dict[str, list[str]]
) -> tuple[int, tuple[str, ...]]:
    part, manifest = table["part"][0], layout.manifest
    rows = table.filter(pl.col("final") >= 0)
    single, several = ([kind for kind in kinds if (kind.most is None) == one] for one in (True, False))
    names = {"users": "user", "items": "item"}
    arrays: dict[str, np.ndarray] = {
        names.get(kind.file, kind.file): rows[kind.id].to_numpy().astype(np.int32) for kind in single
    }
    if several:
        arrays["lists"] = np.stack([_padded(rows[kind.id], kind.most or 0) for kind in several], axis=1)
    arrays |= {"label": rows["label"].to_numpy().astype(np.uint8), "time": rows["time"].to_numpy().copy()}
    for name, columns in features.items():
        values = np.column_stack([rows[column].to_numpy() for column in columns]).astype(np.float32)
        arrays[name] = values[:, 0].copy() if name == "weight" else values
    active, local = densely(arrays["user"], layout.users)
    log, past, before = None, None, int(rows["final"][0])
    if manifest.parts:
        log, before = open_stream(layout.stream), sum(earlier.rows for earlier in manifest.parts)
        past = tails.past_of(active, layout.old_tails(), log, int(arrays["time"][0]), manifest)
    elif part:
        past = past_of(table.filter(pl.col("final") < 0), active, layout.ends[part - 1])
    found = _histories(arrays, local, past, manifest)
    length = np.minimum(found.length, manifest.carry).astype(length_type(manifest.carry))
    arrays |= {"history_end": found.end, "history_length": length, "sequence": found.sequence}
    for name, array in arrays.items():
        save(layout.places[part] / f"{name}.npy", array)
    tail = np.zeros(len(active), TAIL)
    tail["part"], tail["end"] = len(manifest.parts) + part, found.segment_end
    tail["length"] = found.segment_length
    save(layout.stage / f"users-{part}.npy", active)
    save(layout.stage / f"tails-{part}.npy", tail)
    return len(found.sequence), block_digests(arrays, log.parts if log else (), before)


def _padded(lists: pl.Series, width: int) -> np.ndarray:
    """Lists as the rows of an array, int32 [n, width], with -1 where a list has ended."""
    length = lists.list.len().to_numpy().astype(np.int64)
    values = lists.explode(empty_as_null=False).to_numpy()
    found = np.full((len(lists), width), -1, np.int32)
    found[np.repeat(np.arange(len(lists)), length), spans(np.zeros_like(length), length)] = values
    return found


def _histories(arrays: dict[str, np.ndarray], local: np.ndarray, past: Past | None, manifest: Manifest) -> Any:
    label = arrays["label"]
    enters = label.astype(bool) if manifest.history == "positive" else np.ones(len(label), bool)
    found = histories(local, arrays["item"], arrays["time"], enters, past)
    if len(found.sequence) >= 2**31:
        raise DataError(f"{len(label)} rows with their histories are too many for one part: append them in pieces")
    return found


def write_names(names: DataFrame, layout: Layout, kinds: Sequence[Kind]) -> DataFrame:
    """Write the new names of each part.

    Args:
        names: ``kind``, the place of the kind of names, ``part``, ``id`` and ``value``.
        layout: where they are written.
        kinds: the kinds of names.

    Returns:
        Of the names of each kind and part: the number of ``values`` that are not empty, of the ``numbers`` among them,
        and whether these are ``whole``. They are written when these figures are looked at.
    """

    def task(tables: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for table in runs(tables, "kind", "part"):
            kind, part = kinds[table["kind"][0]], table["part"][0]
            write_new_names(layout.places[part], kind, table["value"])
            values = table["value"].filter(table["value"] != "")
            number = values.cast(pl.Float64, strict=False).drop_nulls()
            whole_ones = bool((number == number.floor()).all())
            counts = {"values": [len(values)], "numbers": [len(number)], "whole": [whole_ones]}
            yield pl.DataFrame({"kind": table["kind"][:1]} | counts)

    keys = ("kind", "part", "id")
    by_file = names.repartition("kind", "part").sortWithinPartitions(*keys)
    return mapped(by_file, task, {"kind": "int", "values": "bigint", "numbers": "bigint", "whole": "boolean"})


def write_new_names(place: Path, kind: Kind, values: pl.Series) -> None:
    """Write the new names of a kind."""
    names = values.cast(pl.Int64 if kind.integer else pl.String).alias("name").rechunk().to_frame()
    whole(place / f"{kind.file}.parquet", lambda path: names.write_parquet(path))


def finished(places: Sequence[Path], spark: Any) -> list[str]:
    """Digest the files of folders and bring them to the disk, a task for each folder; the digests of their lists."""

    def task(numbers: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for table in numbers:
            for number in table["id"]:
                yield pl.DataFrame({"number": [number], "digest": [_finished(places[number])]})

    every = spark.range(0, len(places), 1, len(places))
    done = mapped(every, task, {"number": "bigint", "digest": "string"})
    return [row["digest"] for row in sorted(collected(done), key=lambda row: row["number"])]


def _finished(place: Path) -> str:
    for path in place.iterdir():
        if path.name.startswith("."):
            path.unlink()  # a task that was killed has left it
    digest = write_digests(place)
    for path in (*place.iterdir(), place):
        sync(path)
    return digest


def in_one_task(
    frame: DataFrame, keys: Sequence[str], work: Callable[[pl.DataFrame], dict[str, int]]
) -> dict[str, int]:
    """Give all rows of a frame, at least one, sorted to one task, and bring back the figures that it finds."""

    def task(tables: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        if pieces := list(tables):
            yield pl.DataFrame({"figures": [json.dumps(work(pl.concat(pieces)))]})

    (row,) = collected(mapped(frame.repartition(1).sortWithinPartitions(*keys), task, {"figures": "string"}))
    figures: dict[str, int] = json.loads(row["figures"])
    return figures
