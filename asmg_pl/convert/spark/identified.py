"""Checks the names of rows, and gives them their ids."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from asmg_pl.convert.checks import Given
from asmg_pl.convert.settings import Settings
from asmg_pl.convert.spark.checks import check_catalogue, check_kind, check_names
from asmg_pl.convert.spark.names import Ids, Kind, Known, distinct, ids_of, known_names, with_ids
from asmg_pl.convert.spark.reading import name_of
from asmg_pl.convert.spark.rows import Rows
from asmg_pl.convert.spark.tasks import collected
from asmg_pl.data.stream.manifest import Manifest
from asmg_pl.data.tables.spelling import BOOLEANS


def identified(
    frame: DataFrame,
    kinds: Sequence[Kind],
    order: str,
    rows: Rows,
    stream: Path,
    before: Manifest,
    settings: Settings,
    given: Given,
    stack: ExitStack,
) -> tuple[Ids, DataFrame]:
    """Give the names of rows their ids, after checks of the names.

    Args:
        frame: the rows with their names.
        kinds: the kinds of names to look at.
        order: the column that numbers the rows.
        rows: how they were read.
        stream: the folder of the stream.
        before: the stream before these rows.
        settings: the meaning of the rows.
        given: where the rows come from, for messages.
        stack: frees what is kept.

    Returns:
        The ids, and the rows with them.

    Raises:
        DataError: if names contradict each other or the stream.
    """
    known = None
    if before.parts:
        known = known_names(rows.spark, stream, before, kinds, stack)
        frame = _with_words_of_stream(frame, kinds, known)
    names = distinct(frame, kinds, order, stack)
    for kind in kinds:
        if kind.integer and not kind.as_read:
            check_kind(names, kind, given)
    if settings.ids != "as-written":
        check_names(names, None if known is None else known.names, kinds, rows.count, given)
    ids = ids_of(names, known, kinds, stack)
    return ids, with_ids(frame, ids, order)


def kinds_of(rows: Rows, stream: Path, before: Manifest, settings: Settings) -> list[Kind]:
    """The kinds of names that rows have."""
    columns = {column.role: column for column in rows.read.columns}
    roles = {"users": "user", "items": "item"}
    roles |= {f"context-{number}": f"context {name}" for number, name in enumerate(settings.all_context)}
    roles |= {f"list-{number}": f"list {name}" for number, name in enumerate(settings.features.lists)}
    kinds = []
    for place, (file, role) in enumerate(roles.items()):
        whole = as_read = rows.read.tally.integers.get(role, False)
        if before.parts:
            first = stream / before.parts[0].folder / f"{file}.parquet"
            whole = pl.read_parquet_schema(first)["name"].is_integer()
        most = settings.list_size if role.startswith("list ") else None
        kinds.append(Kind(file, name_of(role), columns.get(role), whole, as_read, place, most))
    return kinds


def _with_words_of_stream(rows: DataFrame, kinds: Sequence[Kind], known: Known) -> DataFrame:
    """Write true and false as the stream has them; streams of an earlier version have these words as written."""
    context = {kind.place: kind.name for kind in kinds if kind.file.startswith("context-") and kind.column is not None}
    if not context:
        return rows
    found = collected(known.names.where(F.col("kind").isin([*context]) & F.col("value").isin([*BOOLEANS])))
    for place, name in context.items():
        words: dict[Any, Any] = {BOOLEANS[row["value"]]: row["value"] for row in found if row["kind"] == place}
        rows = rows.replace(words, subset=[name]) if words else rows
    return rows


def check_items(rows: Rows, ids: Ids, settings: Settings, given: Given) -> None:
    """Check the spellings of the catalogue's items against those of the rows and the stream."""
    if rows.catalogue is None or settings.ids == "as-written":
        return
    items = ids.kinds[1]
    if items.integer and rows.catalogue.tally.integers["item"]:
        return
    (column,) = (column for column in given.item_columns if column.is_id)
    known = ids.all.where(F.col("kind") == items.place).select("kind", "value")
    own = rows.catalogue.rows.select(F.lit(items.place).alias("kind"), F.col("item").alias("value"))
    check_catalogue(own, known, items, column, given)
