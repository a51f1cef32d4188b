"""Checks a frame of interactions before it becomes a log."""

from __future__ import annotations

import polars as pl

from asmg_pl.data.names import plain
from asmg_pl.errors import DataError

#: The columns that every frame has; any further column is a context feature.
REQUIRED = ("user", "item", "label", "time")
CONTEXT_FROM = len(REQUIRED)


def checked(rows: pl.DataFrame) -> pl.DataFrame:
    """The frame with plain types: ids Int64 or String, labels UInt8, times Int64; context columns in their order.

    Raises:
        DataError: if there is no row, a column or a value is missing or of a wrong type, or a label is neither 0 nor 1.
    """
    if missing := [name for name in REQUIRED if name not in rows.columns]:
        raise DataError(
            f"the stream has no column {missing[0]!r}: it needs {', '.join(REQUIRED)}, and has {rows.columns}"
        )
    if rows.is_empty():
        raise DataError("the stream has no rows: check the source's filters (dates, users) against the file")
    for name in ("label", "time"):
        if missing_values := rows[name].null_count():
            raise DataError(
                f"column {name!r} of the stream has {missing_values} missing values: drop or fill them first"
            )
    if not rows["time"].dtype.is_integer():
        raise DataError(f"column 'time' of the stream holds {rows['time'].dtype}: give whole numbers, such as seconds")
    label = rows["label"].cast(pl.UInt8) if rows["label"].dtype == pl.Boolean else rows["label"]
    if not label.dtype.is_numeric() or not ((label == 0) | (label == 1)).all():
        raise DataError("column 'label' of the stream has values other than 0 and 1: derive a binary label first")
    names = [name for name in rows.columns if name not in ("label", "time")]
    return rows.with_columns(
        label.cast(pl.UInt8), pl.col("time").cast(pl.Int64), *(plain(rows[name], name) for name in names)
    ).select(*REQUIRED, pl.exclude(REQUIRED))
