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
from asmg_pl.convert.in_stream import LATE
from asmg_pl.convert.kept import joined_csv, publish, to_keep
from asmg_pl.convert.settings import Settings
from asmg_pl.convert.sources import SOURCES, SourceFile, written
from asmg_pl.convert.spark.completed import completed
from asmg_pl.convert.spark.index import Index
from asmg_pl.convert.spark.late import write_entered, write_listed
from asmg_pl.convert.spark.names import Ids, Kind, by_kind
from asmg_pl.convert.spark.ordering import keep
from asmg_pl.convert.spark.parts import Layout, finished, in_one_task, write_names, write_new_names, write_rows
from asmg_pl.convert.spark.pasts import Pasts
from asmg_pl.convert.spark.reading import name_of
from asmg_pl.convert.spark.rows import Rows
from asmg_pl.convert.spark.tasks import collected
from asmg_pl.data.stream import open_stream
from asmg_pl.data.stream.appending import aside, index_name, sweep
from asmg_pl.data.stream.manifest import FILE, Manifest, Part, part_name
from asmg_pl.data.tables.quarantine import FILE as QUARANTINE
from asmg_pl.data.tables.quarantine import Quarantine
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
    before = Manifest.read(stream) if append else _nothing(settings)
    if append:
        sweep(stream, before)
    stage = stack.enter_context(aside(stream))
    ids, frame = completed(rows, stream, before, settings, given, stage, stack)
    kinds = ids.kinds
    most = 2**62 if append else bounds.MOST_ROWS
    frame = keep(frame.withColumn("part", F.expr(f"cast(final div {most} as int)")), stack)
    parts = _summary(frame, kinds, [side.found for side in rows.sides])

    layout = Layout(
        stream=stream,
        manifest=before,
        places=[stack.enter_context(aside(stream)) for _ in parts],
        index=stack.enter_context(aside(stream)),
        stage=stage,
        users=ids.counts[0],
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
    malformed = [quarantine.listed(), _write_late(rows, layout, settings)]
    malformed_csv = inputs.named(joined_csv(malformed).decode()).encode()
    kept = to_keep(stream, settings.written(), malformed_csv)
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
        without_side=tuple(side.name for side in rows.sides if not any(part[side.found] for part in parts)),
        like_numbers=() if append else _like_numbers(figures, kinds, manifest),
        cut_lists=sum(part["cut"] for part in parts),
        list_size=settings.list_size,
        histories=settings.longest_history > 0,
        label_mean=positive / count,
        first=parts[0]["first"],
        last=parts[-1]["last"],
        stream_rows=sum(part.rows for part in manifest.parts),
        sizes=manifest.sizes,
        filtered=tally.filtered,
        never=rows.never,
        late=quarantine.late + rows.late.listed + rows.late.dropped,
        dropped=rows.late.dropped,
        entered_late=rows.late.entered,
        not_compared=rows.late.not_compared,
        repeated=rows.repeated,
        passed_over=rows.passed_over,
        recategorised=index["updates"],
        only_positives=positive == count and all(bool(part.label.all()) for part in open_stream(stream).parts),
        parts=len(manifest.parts),
    )


def _nothing(settings: Settings) -> Manifest:
    """A stream without parts."""
    features = settings.features
    lists = dict.fromkeys(features.lists, 0)
    return Manifest(settings.history, settings.longest_history, 0, {}, (), features=features, lists=lists)


def _summary(frame: DataFrame, kinds: Sequence[Kind], found: Sequence[str]) -> list[dict[str, Any]]:
    """Of each part: its rows, positive rows, cut lists, first and last time, the largest id of each kind, and flags."""
    most = [F.coalesce(F.max(kind.largest), F.lit(-1)).alias(kind.id) for kind in kinds]
    times = [F.min("time").alias("first"), F.max("time").alias("last")]
    counts = [F.count("*").alias("rows"), F.sum("label").alias("positive"), F.sum("cut").alias("cut")]
    return sorted(
        collected(frame.groupBy("part").agg(*counts, *times, *most, *map(_any, found))), key=lambda part: part["part"]
    )


def _any(flag: str) -> Column:
    """Whether a flag is set in any row."""
    return F.max(flag).alias(flag)


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


def _write_new_names(ids: Ids, layout: Layout, parts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Write the new names of all parts: those with ids that no earlier part has."""
    ends = {kind.place: F.array(*map(F.lit, _ends(kind, parts))) for kind in ids.kinds}
    part = F.size(F.filter(by_kind(ends), lambda end: end < F.col("id")))
    every = ids.new.select("kind", part.alias("part"), "id", "value")
    figures = collected(write_names(every, layout, ids.kinds))
    for place in layout.places:
        for kind in ids.kinds:
            if not (place / f"{kind.file}.parquet").exists():
                write_new_names(place, kind, pl.Series([], dtype=pl.String))
    return figures


def _ends(kind: Kind, parts: Sequence[dict[str, Any]]) -> list[int]:
    """The largest id up to the end of each part."""
    ends: list[int] = np.maximum.accumulate([part[kind.id] for part in parts]).tolist()
    return ends


def _write_late(rows: Rows, layout: Layout, settings: Settings) -> bytes:
    """Write late rows that enter beside the first part; the list of the others, as CSV, empty if there are none."""
    late = rows.late
    if rows.rule is None or late.rows is None:
        return b""
    if late.entered:
        place = layout.places[0] / LATE
        write_entered(late.rows, rows.rule, rows.read.columns, [*settings.nobody], layout.stream, place)
        return b""
    listed = layout.stage / QUARANTINE
    write_listed(late.rows, rows.rule, rows.paths, listed)
    return listed.read_bytes()


def _publish(
    layout: Layout,
    parts: Sequence[dict[str, Any]],
    found: dict[int, Any],
    index: dict[str, int],
    ids: Ids,
    settings: Settings,
    spark: Any,
) -> None:
    """Bring everything to the disk, and make the parts the stream's; the manifest comes last."""
    stream, before = layout.stream, layout.manifest
    *digests, of_index = finished([*layout.places, layout.index], spark)
    users, items = (
        np.maximum.accumulate([ids.known[kind.place] - 1, *(part[kind.id] for part in parts)])[1:] + 1
        for kind in ids.kinds[:2]
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
        context=_counts(ids, settings.all_context, "context-"),
        lists=_counts(ids, settings.features.lists, "list-"),
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


def _counts(ids: Ids, names: Sequence[str], files: str) -> dict[str, int]:
    """The number of values of each feature, whose kinds of names have files that begin so."""
    counts = [ids.counts[kind.place] for kind in ids.kinds if kind.file.startswith(files)]
    return dict(zip(names, counts, strict=True))


def _like_numbers(figures: Sequence[dict[str, Any]], kinds: Sequence[Kind], manifest: Manifest) -> tuple[str, ...]:
    """The context features whose values seem to be numbers, as Polars' conversion has them."""
    names = []
    context = (kind for kind in kinds if kind.file.startswith("context-"))
    for kind, name in zip(context, manifest.context, strict=True):
        own = [row for row in figures if row["kind"] == kind.place]
        values, numbers = (sum(row[figure] for row in own) for figure in ("values", "numbers"))
        many = values > bounds.MANY_VALUES or not all(row["whole"] for row in own)
        names += [name] if values and values == numbers and many else []
    return tuple(names)
