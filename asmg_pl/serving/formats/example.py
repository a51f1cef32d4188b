"""Probabilities of items for a user, by their names, from the files of this folder: python example.py USER ITEM …."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import polars as pl

HERE = Path(__file__).parent


def rows_of(kind: str, folder: Path = HERE) -> dict[Any, int]:
    """The row number of each name."""
    return {name: row for row, name in enumerate(pl.read_parquet(folder / "ids" / f"{kind}.parquet")["name"])}


def probabilities(
    user: Any, items: Sequence[Any], history: Sequence[Any] = (), context: Sequence[Any] = (), folder: Path = HERE
) -> np.ndarray:
    """Probabilities, float32 [items], for a user with a history, the latest first, and values of context features."""
    model = onnxruntime.InferenceSession(folder / "model.onnx")
    shapes = {each.name: each.shape for each in model.get_inputs()}
    user_rows, item_rows = rows_of("user", folder), rows_of("item", folder)
    places = shapes["history"][1]
    past = [item_rows[name] for name in history if name in item_rows][:places]  # unknown items are left out
    row = {"user": user_rows.get(user, -1), "history": past + [0] * (places - len(past)), "history_length": len(past)}
    if "context" in shapes:  # a feature that is not given counts as unknown
        given = [*context, *[None] * shapes["context"][1]][: shapes["context"][1]]
        row["context"] = [rows_of(f"context-{n}", folder).get(value, -1) for n, value in enumerate(given)]
    inputs = {name: np.array([value] * len(items), np.int64) for name, value in row.items()}
    inputs["item"] = np.array([item_rows.get(name, -1) for name in items], np.int64)  # -1 stands for all unknown
    found: np.ndarray = model.run(["probability"], inputs)[0]
    return found


if __name__ == "__main__":
    integers = isinstance(next(iter(rows_of("item"))), int)
    names = [int(name) if integers else name for name in sys.argv[2:]]
    print(*probabilities(sys.argv[1], names))
