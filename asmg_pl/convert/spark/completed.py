"""Makes rows whole: ids, negatives, features of users and items, and the final place of each row.

rows with names ─▶ ids ─▶ (negatives) ─▶ final places ─▶ (features of users and items ─▶ ids of these)
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from asmg_pl.convert.checks import Given
from asmg_pl.convert.settings import Settings
from asmg_pl.convert.spark.identified import check_items, identified, kinds_of
from asmg_pl.convert.spark.names import Ids
from asmg_pl.convert.spark.negatives import Draw, appeared, positives_of, with_negatives, written_in_order
from asmg_pl.convert.spark.ordering import keep, numbered
from asmg_pl.convert.spark.reading import name_of
from asmg_pl.convert.spark.rows import Rows, with_short_lists
from asmg_pl.data.stream.manifest import Manifest


def completed(
    rows: Rows, stream: Path, before: Manifest, settings: Settings, given: Given, stage: Path, stack: ExitStack
) -> tuple[Ids, DataFrame]:
    """Give rows all that the stream has of them.

    Args:
        rows: the rows.
        stream: the folder of the stream.
        before: the stream before these rows.
        settings: the meaning of the rows.
        given: where the rows come from, for messages.
        stage: a folder for what one task hands to another.
        stack: frees what is kept.

    Returns:
        The ids, and the rows with them and their places, ``final``.

    Raises:
        DataError: if names contradict each other or the stream.
    """
    kinds = kinds_of(rows, stream, before, settings)
    of_sides = {name for side in rows.sides for name in side.roles}
    how = rows, stream, before, settings, given, stack
    ids, frame = identified(rows.frame, [kind for kind in kinds if kind.name not in of_sides], "position", *how)
    check_items(rows, ids, settings, given)
    if settings.negatives:
        frame = _with_negatives(frame, ids, rows, stream, before, settings, stage, stack)
    else:
        frame = frame.withColumn("final", F.col("position"))
    for side in rows.sides:  # negatives have the features of their own items
        (kind,) = (kind for kind in kinds if kind.name == side.name)
        frame = side.join(frame, ids.all.where(F.col("kind") == kind.place), kind)
        lists = [name for name, type_ in side.types.items() if type_ == "array<string>"]
        frame = with_short_lists(frame, lists, settings.list_size)
    if own := [kind for kind in kinds if kind.name in of_sides]:
        more, frame = identified(keep(frame, stack), own, "final", *how)
        ids += more
    return ids, frame


def _with_negatives(
    frame: DataFrame,
    ids: Ids,
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
    items = ids.counts[1]
    first = appeared(ids.new.where(F.col("kind") == 1), ids.known[1], begin)
    written_in_order(first, "id", {"appeared": np.dtype(np.int64)}, stage, items)
    if settings.negative_rule == "popularity":
        every = frame if past is None else frame.unionByName(past, allowMissingColumns=True)
        kinds: dict[str, np.dtype] = {"id_1": np.dtype(np.int32), "time": np.dtype(np.int64)}
        written_in_order(every, "position", kinds, stage, begin + rows.count)
    floats = [name_of(f"further {name}") for name in settings.labels]
    types = dict(frame.dtypes)
    draw = Draw(settings, stage, begin, items, floats)
    every = with_negatives(frame, past, draw, types)
    return numbered(every, ["position", "nth"], "final", stack).frame.drop("nth")
