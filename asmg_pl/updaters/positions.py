"""The weights of the positions in a window, over which a generator's losses are summed."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

PositionWeights = Literal["linear", "uniform", "exp", "last"]


def position_weights(kind: PositionWeights, window: int) -> Tensor:
    """λ of the multi-step loss, oldest position first, float [window], summing to 1."""
    position = torch.arange(1.0, window + 1)
    raw = {
        "linear": position,
        "uniform": torch.ones(window),
        "exp": (position - window).exp(),  # relative to the newest, so that no length overflows
        "last": (position == window).float(),
    }[kind]
    return raw / raw.sum()
