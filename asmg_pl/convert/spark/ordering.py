"""Numbers the rows of a frame in a total order, and keeps what has been made in the executors.

partition 0   3 rows   0 1 2
partition 1   2 rows   3 4         the driver sees the number of rows of each partition, no row
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import accumulate
from typing import NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

_WITHIN = 2**33 - 1  # of monotonically_increasing_id: the bits of the row's place in its partition


class Numbered(NamedTuple):
    """A frame whose rows are numbered.

    Attributes:
        frame: the rows.
        rows: their number.
    """

    frame: DataFrame
    rows: int


def keep(frame: DataFrame, stack: ExitStack) -> DataFrame:
    """Keep a frame on the executors' disks; what a lost executor had is made again."""
    kept = frame.persist(StorageLevel.DISK_ONLY)
    stack.callback(kept.unpersist)
    return kept


def numbered(frame: DataFrame, keys: Sequence[str], name: str, stack: ExitStack, start: int = 0) -> Numbered:
    """Number rows in the order of keys.

    Args:
        frame: the rows.
        keys: columns that together differ in all rows, so that the order is the same in each run.
        name: the column of the numbers, bigint, to add.
        stack: frees the rows, which are kept sorted.
        start: the number of the first row.
    """
    place = F.struct(F.spark_partition_id().alias("partition"), F.monotonically_increasing_id().alias("row"))
    ordered = keep(frame.orderBy(*keys).withColumn("_place", place), stack)
    counts: dict[int, int] = dict(ordered.groupBy("_place.partition").count().collect())
    offsets = list(accumulate((counts.get(number, 0) for number in range(max(counts, default=-1) + 1)), initial=start))
    begin = F.element_at(F.array(*map(F.lit, offsets)), F.col("_place.partition") + 1)
    within = F.col("_place.row").bitwiseAND(F.lit(_WITHIN))
    return Numbered(ordered.withColumn(name, (begin + within).cast("bigint")).drop("_place"), sum(counts.values()))
