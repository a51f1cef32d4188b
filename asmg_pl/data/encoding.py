"""Turns a checked frame into arrays: names become ids, and lists become rows of one width.

tags  [7, 3]  []  [3, 9, 4, 7]      ids  [[0 1 -1] [-1 -1 -1] [1 2 3]]      with a list_size of 3
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl

from asmg_pl.data.features import Features
from asmg_pl.data.histories import spans
from asmg_pl.data.names import Names
from asmg_pl.data.schema import context_of


def encode(
    rows: pl.DataFrame, features: Features, known: Mapping[str, Names]
) -> tuple[dict[str, np.ndarray], dict[str, Names]]:
    """Encode the columns of a frame that need no look at other rows.

    Args:
        rows: the result of :func:`~asmg_pl.data.schema.checked`.
        features: the description of its columns.
        known: the names numbered so far, by the kinds of :attr:`~asmg_pl.data.log.InteractionLog.names`.

    Returns:
        The arrays by the names of :meth:`~asmg_pl.data.columns.Columns.arrays`, and all names numbered so far.

    Raises:
        DataError: if names are integers where they were strings before, or the other way round.
    """
    kinds = {"users": "user", "items": "item"}
    kinds |= {f"context-{place}": name for place, name in enumerate(context_of(rows, features))}
    kinds |= {f"list-{place}": name for place, name in enumerate(features.lists)}

    def number(kind: str) -> tuple[np.ndarray, Names]:
        values = rows[kinds[kind]]
        values = values.explode().drop_nulls() if kind.startswith("list-") else values
        return known.get(kind, Names(kinds[kind])).number(values)

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # polars works outside of Python's lock
        numbered = dict(zip(kinds, pool.map(number, kinds), strict=True))
    names = {**known, **{kind: grown for kind, (_, grown) in numbered.items()}}
    arrays = {"user": numbered["users"][0], "item": numbered["items"][0]}
    arrays |= {name: rows[name].to_numpy().copy() for name in ("label", "time")}
    arrays |= {kind: ids for kind, (ids, _) in numbered.items() if kind.startswith("context-")}
    for kind, columns in (("numbers", features.numbers), ("labels", features.labels)):
        if columns:
            arrays[kind] = np.column_stack([rows[name].to_numpy() for name in columns])
    if features.weight is not None:
        arrays["weight"] = rows[features.weight].to_numpy().copy()
    if features.lists:
        lists = np.full((len(rows), len(features.lists), features.list_size), -1, np.int32)
        for place, name in enumerate(features.lists):
            length = rows[name].list.len().to_numpy().astype(np.int64)
            column = spans(np.zeros_like(length), length)
            lists[np.repeat(np.arange(len(rows)), length), place, column] = numbered[f"list-{place}"][0]
        arrays["lists"] = lists
    return arrays, names
