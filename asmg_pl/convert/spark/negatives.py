"""Draws negatives in the executors, each from what had been seen by its row, as :mod:`asmg_pl.data.negatives` does.

    rows of some users, by time ─▶ whom a user has met      this task's own
    appeared.npy                ─▶ what could be drawn      mapped into memory by each task

A draw depends on the seed and its number alone, so it makes no difference which task makes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from asmg_pl.convert.settings import Settings
from asmg_pl.convert.spark.ordering import keep
from asmg_pl.convert.spark.tasks import mapped, whole
from asmg_pl.data.columns import Columns
from asmg_pl.data.interactions import Interactions
from asmg_pl.data.stream.manifest import Manifest
from asmg_pl.data.stream.reader import check_part, open_part
from asmg_pl.randomness.chance import by_number
from asmg_pl.system.lazy import later

if TYPE_CHECKING:
    import torch
else:
    torch = later("torch")

_PIECE = 2**20  # rows of the stream that a task reads at once
_PAST = {"id_0": "int", "id_1": "int", "time": "bigint", "position": "bigint"}


@dataclass(frozen=True)
class Draw:
    """How negatives are drawn.

    Attributes:
        settings: their number for each positive, the rule, and the seed.
        folder: the folder of the mapped arrays.
        begin: the number of positive rows of the stream before these rows.
        items: the number of all items.
        unwanted: the columns of further labels, which a negative has as 0.
    """

    settings: Settings
    folder: Path
    begin: int
    items: int
    unwanted: Sequence[str]

    def __call__(self, tables: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Give the rows of some users their negatives; ``nth`` is 0 for a row of the stream, and 1, 2 … for those."""
        pieces = list(tables)
        if not pieces:
            return
        rows = pl.concat(pieces)  # by user, each user's in the order of time, the past ones first
        user = torch.from_numpy(np.unique(rows["id_0"].to_numpy(), return_inverse=True)[1].astype(np.int64))
        item, time = (torch.from_numpy(rows[name].to_numpy().astype(np.int64)) for name in ("id_1", "time"))
        met = replace(Interactions.of(user, item, time, self.items), **self._of_all())
        each = self.settings.negatives
        position = torch.from_numpy(rows["position"].to_numpy().copy())
        source = torch.nonzero(position >= 0)[:, 0].repeat_interleave(each)
        nth = torch.arange(len(source)) % each
        numbers = (self.begin + position[source]) * each + nth
        candidates = met.seen(self.begin + position[source])
        chance = by_number(self.settings.seed, numbers)
        drawn = met.draw(user[source], time[source], candidates, self.settings.negative_rule, chance)
        found = (drawn >= 0).numpy()
        negative = rows[source.numpy()[found]].with_columns(
            pl.Series("id_1", drawn.numpy()[found].astype(np.int32)),
            *map(_unwanted, self.unwanted),
            label=pl.lit(0, pl.Int32),
            nth=pl.Series(nth.numpy()[found] + 1).cast(pl.Int32),
        )
        yield rows.filter(pl.col("position") >= 0).with_columns(nth=pl.lit(0, pl.Int32))
        yield negative

    def _of_all(self) -> dict[str, Any]:
        """The arrays of all interactions that a draw looks at, mapped into memory."""
        names = {"appeared": "appeared"}
        if self.settings.negative_rule == "popularity":
            names |= {"item": "id_1", "time": "time"}
        found = {field: np.load(self.folder / f"{file}.npy", mmap_mode="c") for field, file in names.items()}
        return {field: torch.from_numpy(array) for field, array in found.items()}


def _unwanted(label: str) -> pl.Expr:
    """A further label of a negative: 0, unless nobody knows that of its positive."""
    return pl.when(pl.col(label).is_nan()).then(label).otherwise(0.0).cast(pl.Float32).alias(label)


def with_negatives(rows: DataFrame, past: DataFrame | None, draw: Draw, types: Mapping[str, str]) -> DataFrame:
    """Add negatives to rows, see :class:`Draw`.

    Args:
        rows: the rows with ids and positions.
        past: the earlier positive rows, with positions below 0.
        draw: how they are drawn.
        types: the types of the columns of ``rows``.
    """
    every = rows if past is None else rows.unionByName(past, allowMissingColumns=True)
    by_user = every.select(*types).repartition("id_0").sortWithinPartitions("id_0", "position")
    return mapped(by_user, lambda tables: draw(tables), {**types, "nth": "int"})


def written_in_order(frame: DataFrame, key: str, columns: Mapping[str, np.dtype], folder: Path, rows: int) -> None:
    """Write columns as ``.npy`` files in the order of a key, by one task that has a batch of rows at a time."""

    def task(tables: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        pieces = iter(tables)

        def write(paths: list[Path]) -> None:
            arrays = [
                np.lib.format.open_memmap(path, "w+", dtype=kind, shape=(rows,))
                for path, kind in zip(paths, columns.values(), strict=True)
            ]
            begin = 0
            for table in pieces:
                for array, name in zip(arrays, columns, strict=True):
                    array[begin : begin + len(table)] = table[name].to_numpy()
                begin += len(table)
            for array in arrays:
                array.flush()

        _several(folder, list(columns), write)
        yield pl.DataFrame({"rows": [rows]})

    ordered = frame.select(key, *(name for name in columns if name != key)).repartition(1).sortWithinPartitions(key)
    mapped(ordered, task, {"rows": "bigint"}).collect()


def _several(folder: Path, names: list[str], write: Any, done: tuple[Path, ...] = ()) -> None:
    """Write several files together, each there as a whole or not at all."""
    if len(done) == len(names):
        write(list(done))
        return
    whole(folder / f"{names[len(done)]}.npy", lambda path: _several(folder, names, write, (*done, path)))


def positives_of(spark: Any, folder: Path, manifest: Manifest, stack: ExitStack) -> DataFrame:
    """The positive rows of a stream with their ids and times, and positions below 0, a task for each part."""
    begins = list(
        accumulate((part.rows for part in manifest.parts), initial=-sum(part.rows for part in manifest.parts))
    )

    def task(numbers: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for table in numbers:
            for number in table["id"]:
                part = manifest.parts[number]
                check_part(folder, part)
                yield from _positives(open_part(folder, part, manifest), begins[number])

    parts = len(manifest.parts)
    return keep(mapped(spark.range(0, parts, 1, parts), task, _PAST), stack)


def _positives(columns: Columns, begin: int) -> Iterator[pl.DataFrame]:
    for start in range(0, columns.rows, _PIECE):
        piece = columns.between(start, min(start + _PIECE, columns.rows))
        values = {"id_0": piece.user, "id_1": piece.item, "time": piece.time, "label": piece.label}
        table = pl.DataFrame({name: column.numpy() for name, column in values.items()})
        yield table.with_columns(position=begin + start + pl.int_range(pl.len())).filter(label=1)


def appeared(first: DataFrame, known: int, begin: int) -> DataFrame:
    """When items have appeared: ``id`` and ``appeared``, the number of interactions before; 0 for known items.

    Args:
        first: ``id`` and ``first`` position of each new item.
        known: the number of items that the stream had.
        begin: the number of interactions that it had.
    """
    new = first.select("id", (F.col("first") + begin).alias("appeared"))
    return (
        new
        if not known
        else first.sparkSession.range(known).withColumn("appeared", F.lit(0).cast("bigint")).unionByName(new)
    )
