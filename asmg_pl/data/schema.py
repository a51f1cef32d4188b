"""Checks a frame of interactions before it becomes a log."""

from __future__ import annotations

import polars as pl

from asmg_pl.data.features import Features
from asmg_pl.data.names import plain
from asmg_pl.errors import DataError

#: The columns that every frame has.
REQUIRED = ("user", "item", "label", "time")

#: A description of frames whose further columns are all context features.
PLAIN = Features()


def checked(rows: pl.DataFrame, features: Features = PLAIN) -> pl.DataFrame:
    """The frame with plain types.

    These are Int64 or String for ids and context features, UInt8 for labels, Int64 for times, Float32 for numbers,
    weights and further labels (NaN for a missing one), and lists of Int64 or String. Context columns keep their order,
    and the columns of ``features`` come after them.

    Args:
        rows: interactions.
        features: the description of their columns.

    Raises:
        DataError: if there is no row, a column or a value is missing or of a wrong type, or a label is neither 0 nor 1.
    """
    needed = (*REQUIRED, *features.columns, *features.users, *features.items)
    if missing := [name for name in needed if name not in rows.columns]:
        raise DataError(
            f"the stream has no column {missing[0]!r}: it needs {', '.join(needed)}, and has {rows.columns}"
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
    context = context_of(rows, features)
    return rows.select(
        *(plain(rows[name], name) for name in ("user", "item")),
        label.cast(pl.UInt8),
        pl.col("time").cast(pl.Int64),
        *(plain(rows[name], name) for name in context),
        *(_numbers(rows[name]) for name in features.numbers),
        *(_lists(rows[name], features.list_size) for name in features.lists),
        *([] if features.weight is None else [_weights(rows[features.weight])]),
        *(_labels(rows[name]) for name in features.labels),
    )


def by_time(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows in the order of their times; rows with equal times keep their order."""
    return rows if rows["time"].is_sorted() else rows.sort("time", maintain_order=True)


def context_of(rows: pl.DataFrame, features: Features = PLAIN) -> list[str]:
    """The names of the context features of a frame, in their order."""
    others = {*REQUIRED, *features.columns}
    return [name for name in rows.columns if name not in others]


def _numbers(values: pl.Series) -> pl.Series:
    """Numbers as Float32, NaN for a missing one."""
    if not values.dtype.is_numeric() and values.dtype not in (pl.Boolean, pl.Null):
        raise DataError(f"column {values.name!r} of the stream holds {values.dtype}: cast it to numbers")
    found = values.cast(pl.Float32).fill_null(float("nan"))
    if found.is_infinite().any():
        row = int(found.is_infinite().arg_max() or 0)
        raise DataError(
            f"column {values.name!r} of the stream has {values[row]} in row {row}, which is no number of 32 bits: "
            "scale it, or make it missing"
        )
    return found


def _labels(values: pl.Series) -> pl.Series:
    """Further labels as Float32, NaN for a missing one."""
    found = _numbers(values)
    if not (found.is_between(0, 1) | found.is_nan()).all():
        raise DataError(f"column {values.name!r} of the stream has labels below 0 or above 1: scale them")
    return found


def _weights(values: pl.Series) -> pl.Series:
    """Weights as Float32."""
    found = _numbers(values)
    if not (found.is_not_nan() & (found >= 0)).all():
        raise DataError(f"column {values.name!r} of the stream has weights that are missing or below 0: mend them")
    return found


def _lists(values: pl.Series, longest: int) -> pl.Series:
    """Lists of Int64 or String, without missing values, cut to a length."""
    kind = values.dtype
    if kind == pl.Null:
        kind = pl.List(pl.String)
    if not isinstance(kind, pl.List | pl.Array):
        raise DataError(f"column {values.name!r} of the stream holds {kind}: make it a list for each row")
    inner = pl.Int64 if kind.inner.is_integer() else pl.String
    if not (kind.inner.is_integer() or kind.inner in (pl.String, pl.Categorical, pl.Enum, pl.Null)):
        raise DataError(
            f"the lists in column {values.name!r} of the stream hold {kind.inner}: cast them to integers or strings"
        )
    found = values.cast(pl.List(inner)).list.drop_nulls().list.head(longest)
    return found.fill_null(pl.Series([[]], dtype=pl.List(inner))) if found.null_count() else found
