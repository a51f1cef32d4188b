"""The latest values of the features of users, or of items: those that their next row has, as far as anybody knows.

rows      u1 20  │  u2 31  │  u1 21        latest of u1: 21, of u2: 31
"""

from __future__ import annotations

import numpy as np

from asmg_pl.data.columns import Columns
from asmg_pl.data.sizes import Feature, Side, Sizes


class Latest:
    """The features of one side by id, each with the value of the id's latest row.

    Examples:
        >>> import polars as pl
        >>> from asmg_pl.data import Features, InteractionLog
        >>> rows = {"user": [1, 2, 1], "item": [5, 5, 6], "label": [1, 1, 0], "time": [1, 2, 3], "age": [20, 31, 21]}
        >>> log = InteractionLog.from_frame(pl.DataFrame(rows), features=Features(numbers=("age",), users=("age",)))
        >>> latest = Latest(log.sizes, "user")
        >>> latest.add(log.parts[0])
        >>> latest.values(3)["numbers"].tolist()  # of the first three users, of whom there are two
        [[21.0], [31.0], [nan]]
    """

    def __init__(self, sizes: Sizes, side: Side) -> None:
        """Know nothing yet.

        Args:
            sizes: with the features.
            side: ``"user"`` or ``"item"``.
        """

        def places(features: tuple[Feature, ...]) -> list[int]:
            return [place for place, feature in enumerate(features) if feature.side == side]

        of_kind = {"context": sizes.context_features, "numbers": sizes.numbers, "lists": sizes.lists}
        self._places = {kind: found for kind, features in of_kind.items() if (found := places(features))}
        self._side = side
        self._values: dict[str, np.ndarray] = {}

    def add(self, rows: Columns) -> None:
        """Take further rows of the stream, later than those before."""
        ids = getattr(rows, self._side).numpy()
        if not self._places or not len(ids):
            return
        distinct, back = np.unique(ids[::-1], return_index=True)
        last = len(ids) - 1 - back  # the latest row of each id
        for kind, places in self._places.items():
            found = _of(rows, kind, places, last)
            kept = _grown(self._values.get(kind, found[:0]), int(distinct[-1]) + 1)
            kept[distinct] = found
            self._values[kind] = kept

    def values(self, count: int) -> dict[str, np.ndarray]:
        """The values of the ids 0 … ``count`` - 1, by the kinds of features that the side has.

        Returns:
            ``"context"``, int32 [count, f], ``"numbers"``, float32 [count, m], and ``"lists"``, int32 [count, f, L],
            with the side's features alone, in their order. An id without a row has -1, NaN, and -1.
        """
        return {kind: _grown(values, count)[:count] for kind, values in self._values.items()}


def _of(rows: Columns, kind: str, places: list[int], chosen: np.ndarray) -> np.ndarray:
    """The values of some features of some rows."""
    if kind == "context":
        return np.stack([rows.context[place].numpy()[chosen] for place in places], axis=1)
    found: np.ndarray = getattr(rows, kind).numpy()[chosen][:, places]
    return found


def _grown(values: np.ndarray, count: int) -> np.ndarray:
    """Values of ``count`` ids at least; new ones have none."""
    lacking = np.full((max(0, count - len(values)), *values.shape[1:]), -1, values.dtype)
    return np.concatenate([values, lacking if values.dtype.kind == "i" else lacking * np.float32("nan")])
