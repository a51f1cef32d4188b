"""The row of an id that a package does not know, after those of the ids that it knows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def with_unknown(values: np.ndarray, known: Sequence[int]) -> np.ndarray:
    """The stored values of ids, and after them those of an unknown id: unknown categories, missing numbers, no list.

    Args:
        values: ids of categories or of lists, int32, or numbers, float32 [n, …].
        known: for categories, how many values each feature has; the id after them stands for the unknown one, which
            replaces -1.

    Examples:
        >>> with_unknown(np.array([[0], [-1], [1]], np.int32), known=[2]).tolist()
        [[0], [2], [1], [2]]
    """
    last = np.full((1, *values.shape[1:]), np.nan if values.dtype.kind == "f" else -1, values.dtype)
    found = np.concatenate([values, last])
    return np.where(found < 0, np.asarray(known, values.dtype), found) if known else found
