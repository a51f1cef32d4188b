"""Probabilities of items for a user, by their names, from the files of this folder: python example.py USER ITEM …."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import polars as pl

HERE = Path(__file__).parent


def rows_of(kind: str, folder: Path = HERE) -> dict[Any, int]:
    """The row number of each name."""
    names = pl.read_parquet(folder / "ids" / f"{kind}.parquet")["name"]
    return {name: row for row, name in enumerate(names) if name is not None}


def probabilities(
    user: Any,
    items: Sequence[Any],
    history: Sequence[Any] = (),
    context: Mapping[str, Any] | None = None,
    folder: Path = HERE,
) -> np.ndarray:
    """Probabilities, float32 [items], for a user with a history, the latest first, and features by name.

    A feature is a category, a number, or a list. That of a user or item that is not given is the stored one.
    """
    model = onnxruntime.InferenceSession(folder / "model.onnx")
    described = {each["name"]: each for each in json.loads((folder / "formats.json").read_bytes())["inputs"]}
    user_rows, item_rows = rows_of("user", folder), rows_of("item", folder)
    places = described["history"]["shape"][1]
    past = [item_rows[name] for name in history if name in item_rows][:places]  # unknown items are left out
    row = {"user": user_rows.get(user, -1), "history": past + [0] * (places - len(past)), "history_length": len(past)}
    inputs = {name: np.array([value] * len(items), np.int64) for name, value in row.items()}
    inputs["item"] = np.array([item_rows.get(name, -1) for name in items], np.int64)  # -1 stands for all unknown
    for kind in ("context", "numbers", "lists"):
        if kind in described:
            inputs[kind] = features(described[kind], inputs, context or {}, folder)
    found: np.ndarray = model.run(["probability"], inputs)[0]
    return found


def features(kind: Mapping[str, Any], rows: Mapping[str, np.ndarray], given: Mapping[str, Any], folder: Path) -> Any:
    """The values of one kind of features, [rows, features], or of lists [rows, features, values] padded with -1."""
    columns, stored = [], {"row": 0, "user": 0, "item": 0}  # how many features of a side there have been
    count, lists = len(rows["item"]), kind["name"] == "lists"
    for number, (name, side) in enumerate(zip(kind["features"], kind["sides"], strict=True)):
        if given.get(name) is not None:
            value = given[name]
            if "names" in kind:
                known = rows_of(Path(kind["names"][number]).stem, folder)
                value = [known.get(each, -1) for each in value] if lists else known.get(value, -1)
            column = np.array([value] * count)
        elif side == "row":  # nobody knows it
            column = np.full((count, 1) if lists else count, -1 if "names" in kind else np.nan)
        else:  # row -1 is the last one, which is that of an unknown user or item
            column = np.load(folder / "features" / side / f"{kind['name']}.npy")[rows[side], stored[side]]
        stored[side] += 1
        columns.append(column.astype(kind["dtype"]))
    if lists:
        longest = max(1, *(each.shape[1] for each in columns))
        columns = [np.pad(each, ((0, 0), (0, longest - each.shape[1])), constant_values=-1) for each in columns]
    return np.stack(columns, axis=1)


def named(kind: str, text: str) -> Any:
    """A name as it is in the file of a kind: an integer or a string."""
    return int(text) if isinstance(next(iter(rows_of(kind))), int) else text


if __name__ == "__main__":
    print(*probabilities(named("user", sys.argv[1]), [named("item", text) for text in sys.argv[2:]]))
