"""Rows with features of every kind, for tests of what the data module reads."""

from __future__ import annotations

import numpy as np
import polars as pl

from asmg_pl.data import Features

FEATURES = Features(
    numbers=("price", "age"),
    lists=("tags", "interests"),
    list_size=3,
    weight="weight",
    labels=("buy", "dwell"),
    users=("age", "interests", "country"),
    items=("price",),
)


def featured_rows(count: int = 400, seed: int = 0) -> pl.DataFrame:
    """Rows by time, with context features ``device`` and ``country``, and the columns of ``FEATURES``.

    Some numbers, lists and further labels are missing, and some lists are too long. New values come all the time.
    """
    random = np.random.default_rng(seed)
    row = np.arange(count)

    def some(values: list[object], share: float) -> list[object]:
        return [None if missing else value for value, missing in zip(values, random.random(count) < share, strict=True)]

    def lists(prefix: str) -> list[object]:
        return [[f"{prefix}{random.integers(0, 3 + n // 20)}" for _ in range(random.integers(0, 6))] for n in row]

    return pl.DataFrame(
        {
            "user": random.integers(0, 30, count) * 7 + 3,
            "item": random.integers(0, 20, count) * 5 + 1,
            "label": random.integers(0, 2, count),
            "time": row // 3,
            "device": random.integers(0, 3 + row // 100),
            "country": [f"country {n}" for n in random.integers(0, 2 + row // 50)],
            "price": some(list(random.normal(50, 20, count)), 0.2),
            "age": some(list(random.integers(0, 90, count).astype(float)), 0.5),
            "tags": some(lists("tag "), 0.1),
            "interests": some(lists("interest "), 0.3),
            "weight": random.random(count),
            "buy": some(list(random.integers(0, 2, count).astype(float)), 0.1),
            "dwell": some(list(random.random(count)), 0.4),
        },
        strict=False,
    )
