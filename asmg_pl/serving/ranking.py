"""The best of many values, with a defined order among equal ones."""

from __future__ import annotations

import torch
from torch import Tensor


def best(values: Tensor, count: int) -> Tensor:
    """The places of the largest values, the largest first; of equal ones, the first. int64 [at most count].

    Args:
        values: numbers without NaN, float [n].
        count: how many places are wanted.

    Examples:
        >>> best(torch.tensor([1.0, 3.0, 2.0, 3.0]), 3).tolist()
        [1, 3, 2]
    """
    count = min(count, len(values))
    if not count:
        return torch.zeros(0, dtype=torch.int64)
    least = values.topk(count).values[-1]  # which of several equal values topk takes is not defined
    places = (values >= least).nonzero().squeeze(1)
    return places[values[places].argsort(descending=True, stable=True)[:count]]
