"""Writes the rows of a conversion as parts of a stream: ids, negatives, parts side by side, the manifest last."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from asmg_pl.convert import bounds
from asmg_pl.convert.checks import Given
from asmg_pl.convert.done import Conversion
from asmg_pl.convert.fetching import Inputs
from asmg_pl.convert.kept import publish, to_keep
from asmg_pl.convert.settings import Settings
from asmg_pl.convert.sources import SOURCES, SourceFile, written
from asmg_pl.convert.spark.checks import check_catalogue, check_kind, check_names
from asmg_pl.convert.spark.index import Index
from asmg_pl.convert.spark.names import Ids, Kind, Known, distinct, ids_of, known_names, with_ids
from asmg_pl.convert.spark.negatives import Draw, appeared, positives_of, with_negatives, written_in_order
from asmg_pl.convert.spark.ordering import keep, numbered
from asmg_pl.convert.spark.parts import Layout, finished, in_one_task, write_names, write_new_names, write_rows
from asmg_pl.convert.spark.pasts import Pasts
from asmg_pl.convert.spark.reading import name_of
from asmg_pl.convert.spark.rows import Rows
from asmg_pl.convert.spark.tasks import collected
from asmg_pl.data.stream import open_stream
from asmg_pl.data.stream.appending import aside, index_name, sweep
from asmg_pl.data.stream.manifest import FILE, Manifest, Part, part_name
from asmg_pl.data.tables.quarantine import Quarantine
from asmg_pl.data.tables.spelling import BOOLEANS
from asmg_pl.errors import DataError


def write(
    rows: Rows,
    stream: Path,
    settings: Settings,
    append: bool,
    given: Given,
    quarantine: Quarantine,
    inputs: Inputs,
    sources: Sequence[SourceFile],
    stack: ExitStack,
) -> Conversion:
    """Write rows as parts of a stream.

    Args:
        rows: the rows.
        stream: the folder of the stream.
        settings: the meaning of the rows.
        append: whether the stream is there.
        given: where the rows come from, for messages.
        quarantine: the malformed rows.
        inputs: the files, with their addresses.
        sources: the files as they were before they were read.
        stack: frees what is kept.

    Raises:
        DataError: if ids contradict each other or the stream, a file has changed meanwhile, or there is no room.
    """
    stream.mkdir(parents=True, exist_ok=True)
    before = Manifest.read(stream) if append else Manifest(
        settings.history, settings.longest_history, 0, {}, (), features=settings.features
    )  # fmt: skip
    if append:
        sweep(stream, before)
    ids, frame = _identified(rows, stream, before, settings, given, stack)
    kinds = [one.kind for one in ids]
    _check_items(rows, ids, settings, given)
    stage = stack.enter_context(aside(stream))
    if settings.negatives:
        frame = _with_negatives(frame, ids, rows, stream, before, settings, stage, stack)
    else:
        frame = frame.withColumn("final", F.col("position"))
    most = 2**62 if append else bounds.MOST_ROWS
    frame = keep(frame.withColumn("part", F.expr(f"cast(final div {most} as int)")), stack)
    parts = _summary(frame, kinds)

    layout = Layout(
        stream=stream,
        manifest=before,
        places=[stack.enter_context(aside(stream)) for _ in parts],
        index=stack.enter_context(aside(stream)),
        stage=stage,
        users=ids[0].count,
        ends=[part["last"] for part in parts],
    )
    found = _write_parts(frame, layout, parts, kinds, settings)
    figures = _write_new_names(ids, layout, parts)
    catalogued = rows.catalogue is not None and settings.categories is not None
    # One row that is none: Spark runs no task on a frame without rows.
    table = rows.spark.range(1).selectExpr("null item", "'' categories", "-1 file", "-1 row")
    if rows.catalogue is not None and catalogued:
        table = table.unionByName(rows.catalogue.rows.select("item", "categories", "file", "row"))
    index = in_one_task(table, ("file", "row"), Index(layout, catalogued, settings.separator))
    malformed = inputs.named(quarantine.listed().decode()).encode()
    kept = to_keep(stream, settings.written(), malformed)
    kept[SOURCES] = written(() if rows.read.tally.left_out else sources)
    for name, content in kept.items():
        (layout.places[0] / name).write_bytes(content)
    for one in sources:
        one.check_unchanged()
    _publish(layout, parts, found, index, ids, settings, rows.spark)
    publish(stream)
    manifest = Manifest.read(stream)
    count, positive = sum(part["rows"] for part in parts), sum(part["positive"] for part in parts)
    tally = rows.read.tally
    return Conversion(
        rows=count,
        left_out=tally.left_out,
        quarantined=quarantine.count - quarantine.late,
        without_negative=rows.count * (1 + settings.negatives) - count,
        without_category=catalogued and not manifest.categories,
        like_numbers=() if append else _like_numbers(figures, kinds, manifest),
        list_size=settings.list_size,
        histories=settings.longest_history > 0,
        label_mean=positive / count,
        first=parts[0]["first"],
        last=parts[-1]["last"],
        stream_rows=sum(part.rows for part in manifest.parts),
        sizes=manifest.sizes,
        filtered=tally.filtered,
        never=rows.never,
        late=quarantine.late + quarantine.set_aside + rows.dropped,
        dropped=rows.dropped,
        repeated=rows.repeated,
        passed_over=rows.passed_over,
        recategorised=index["updates"],
        only_positives=positive == count and all(bool(part.label.all()) for part in open_stream(stream).parts),
        parts=len(manifest.parts),
    )


def _identified(
    rows: Rows, stream: Path, before: Manifest, settings: Settings, given: Given, stack: ExitStack
) -> tuple[list[Ids], DataFrame]:
    """Give the names of rows their ids, after checks of the names."""
    columns = {column.role: column for column in rows.read.columns}
    roles = {"users": "user", "items": "item"}
    roles |= {f"context-{number}": f"context {name}" for number, name in enumerate(settings.all_context)}
    frame, ids = rows.frame, []
    for place, (file, role) in enumerate(roles.items()):
        known, integers = Known(), rows.read.tally.integers.get(role, False)
        if before.parts:
            first = stream / before.parts[0].folder / f"{file}.parquet"
            stream_has_integers = pl.read_parquet_schema(first)["name"].is_integer()
            known = known_names(rows.spark, stream, before, file, stack)
            assert known.names is not None
            if role.startswith("context "):
                frame = _with_words_of_stream(frame, name_of(role), known.names)
        else:
            stream_has_integers = integers
        kind = Kind(file, name_of(role), columns.get(role), integers and stream_has_integers, place)
        names = distinct(frame, kind, stack)
        if before.parts:
            check_kind(names, kind, stream_has_integers, given)
        if settings.ids != "as-written":
            check_names(names, known.names, kind, rows.count, given)
        ids.append(ids_of(names, known, kind, stack))
    return ids, with_ids(frame, ids)


def _with_words_of_stream(rows: DataFrame, name: str, known: DataFrame) -> DataFrame:
    """Write true and false as the stream has them; streams of an earlier version have these words as written."""
    words = [row["value"] for row in collected(known.where(F.col("value").isin(*BOOLEANS)))]
    return rows.replace({BOOLEANS[word]: word for word in words}, subset=[name]) if words else rows


def _check_items(rows: Rows, ids: Sequence[Ids], settings: Settings, given: Given) -> None:
    """Check the spellings of the catalogue's items against those of the rows and the stream."""
    if rows.catalogue is None or settings.ids == "as-written":
        return
    if ids[1].kind.integer and rows.catalogue.tally.integers["item"]:
        return
    (column,) = (column for column in given.item_columns if column.is_id)
    check_catalogue(rows.catalogue.rows.select(F.col("item").alias("value")), ids[1].all.select("value"), column, given)


def _with_negatives(
    frame: DataFrame,
    ids: Sequence[Ids],
    rows: Rows,
    stream: Path,
    before: Manifest,
    settings: Settings,
    stage: Path,
    stack: ExitStack,
) -> DataFrame:
    """Add negatives, and give all rows their ``final`` places."""
    past = positives_of(rows.spark, stream, before, stack) if before.parts else None
    begin = 0 if past is None else past.count()
    items = ids[1]
    first = appeared(items.new, items.known, begin)
    written_in_order(first, "id", {"appeared": np.dtype(np.int64)}, stage, items.count)
    if settings.negative_rule == "popularity":
        every = frame if past is None else frame.unionByName(past, allowMissingColumns=True)
        kinds: dict[str, np.dtype] = {"id_1": np.dtype(np.int32), "time": np.dtype(np.int64)}
        written_in_order(every, "position", kinds, stage, begin + rows.count)
    floats = [name_of(f"further {name}") for name in settings.labels]
    types = dict(frame.dtypes)
    draw = Draw(settings, stage, begin, items.count, floats)
    every = with_negatives(frame, past, draw, types)
    return numbered(every, ["position", "nth"], "final", stack).frame.drop("nth")


def _summary(frame: DataFrame, kinds: Sequence[Kind]) -> list[dict[str, Any]]:
    """Of each part: its rows, positive rows, first and last time, and the ids in it up to the largest one."""
    most = [F.max(kind.id).alias(kind.id) for kind in kinds]
    times = [F.min("time").alias("first"), F.max("time").alias("last")]
    by_part = frame.groupBy("part").agg(F.count("*").alias("rows"), F.sum("label").alias("positive"), *times, *most)
    return collected(by_part.orderBy("part"))


def _write_parts(
    frame: DataFrame, layout: Layout, parts: Sequence[dict[str, Any]], kinds: Sequence[Kind], settings: Settings
) -> dict[int, Any]:
    """Write the columns of all parts."""
    features = {
        "numbers": [name_of(f"number {name}") for name in settings.features.numbers],
        "weight": [] if settings.weight is None else [name_of(f"weight {settings.weight}")],
        "labels": [name_of(f"further {name}") for name in settings.labels],
    }
    if len(parts) > 1:
        begins, ends = ([part[name] for part in parts] for name in ("first", "last"))
        pasts = Pasts(settings.longest_history, settings.history == "positive", begins, ends)
        frame = frame.unionByName(pasts.of(frame), allowMissingColumns=True)
    return write_rows(frame, layout, kinds, {name: columns for name, columns in features.items() if columns})


def _write_new_names(ids: Sequence[Ids], layout: Layout, parts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Write the new names of all parts: those with ids that no earlier part has."""
    frames = []

    def ends_before(end: Column) -> Column:
        return end < F.col("id")

    for one in ids:
        ends = np.maximum.accumulate([part[one.kind.id] for part in parts]).tolist()
        part = F.size(F.filter(F.array(*map(F.lit, ends)), ends_before))
        frames.append(one.new.select(F.lit(one.kind.place).alias("kind"), part.alias("part"), "id", "value"))
    every = frames[0]
    for more in frames[1:]:
        every = every.unionByName(more)
    figures = collected(write_names(every, layout, [one.kind for one in ids]))
    for place in layout.places:
        for one in ids:
            if not (place / f"{one.kind.file}.parquet").exists():
                write_new_names(place, one.kind, pl.Series([], dtype=pl.String))
    return figures


def _publish(
    layout: Layout,
    parts: Sequence[dict[str, Any]],
    found: dict[int, Any],
    index: dict[str, int],
    ids: Sequence[Ids],
    settings: Settings,
    spark: Any,
) -> None:
    """Bring everything to the disk, and make the parts the stream's; the manifest comes last."""
    stream, before = layout.stream, layout.manifest
    *digests, of_index = finished([*layout.places, layout.index], spark)
    users, items = (
        np.maximum.accumulate([one.known - 1, *(part[one.kind.id] for part in parts)])[1:] + 1 for one in ids[:2]
    )
    new = []
    for number, part in enumerate(parts):
        entries, blocks = found[number]
        new.append(
            Part(
                folder=part_name(len(before.parts) + number),
                rows=part["rows"],
                entries=entries,
                users=int(users[number]),
                items=int(items[number]),
                first_time=part["first"],
                last_time=part["last"],
                digests=blocks,
                updates=0 if number else index["updates"],
                digest=digests[number],
            )
        )
    manifest = replace(
        before,
        categories=index["categories"],
        context={name: one.count for name, one in zip(settings.all_context, ids[2:], strict=True)},
        parts=(*before.parts, *new),
        index=of_index,
    )
    if (stream / FILE).exists() and Manifest.read(stream) != before:  # some file systems have no locks, so look again
        raise DataError(f"another program has appended to the stream in {stream} meanwhile: append again")
    for place, made in zip(layout.places, new, strict=True):
        place.rename(stream / made.folder)
    layout.index.rename(stream / index_name(len(manifest.parts) - 1))
    manifest.write(stream)
    sweep(stream, manifest)


def _like_numbers(figures: Sequence[dict[str, Any]], kinds: Sequence[Kind], manifest: Manifest) -> tuple[str, ...]:
    """The context features whose values seem to be numbers, as Polars' conversion has them."""
    names = []
    for kind, name in zip(kinds[2:], manifest.context, strict=True):
        own = [row for row in figures if row["kind"] == kind.place]
        values, numbers = (sum(row[figure] for row in own) for figure in ("values", "numbers"))
        many = values > bounds.MANY_VALUES or not all(row["whole"] for row in own)
        names += [name] if values and values == numbers and many else []
    return tuple(names)
