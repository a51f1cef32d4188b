"""The last two moves of coordinates, and signed coefficients that lengthen, shorten or turn back these moves.

    … θ_{t-2} ──▶ θ_{t-1} ──▶ θ_t          θ* = θ_t + s θ_t + a (θ_t - θ_{t-1}) + c (θ_{t-1} - θ_{t-2}) + b
            second       first

Two values before the window are its state, so that its first snapshots have moves too. A state of 0 is none: then the
coordinate has not moved.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

#: Coefficients of a coordinate: s of its value, a and c of its moves, and b beside them.
COEFFICIENTS = ("coefficient_value", "coefficient_move", "coefficient_earlier_move", "coefficient_constant")


class Moves(NamedTuple):
    """The values of coordinates in a window, and their moves.

    Attributes:
        values: θ_i, float [k, …].
        first: θ_i - θ_{i-1}, float [k, …].
        second: θ_{i-1} - θ_{i-2}, float [k, …].

    Examples:
        >>> window = torch.tensor([[1.0], [3.0], [6.0]])  # three snapshots of one coordinate
        >>> found = Moves.of(window, torch.zeros(1, 2))
        >>> found.first.flatten(), found.second.flatten()
        (tensor([0., 2., 3.]), tensor([0., 0., 2.]))
        >>> found.changed(torch.tensor([0.0, 1.0, 0.0, 0.5]).view(4, 1)).flatten()  # once more the last move, and 0.5
        tensor([1.5000, 5.5000, 9.5000])
    """

    values: Tensor
    first: Tensor
    second: Tensor

    @classmethod
    def of(cls, window: Tensor, hidden: Tensor) -> Moves:
        """Find the moves.

        Args:
            window: values, oldest first, float [k, …].
            hidden: the two values before the window, newest first, float [… , 2]; or none, float [… , 0].
        """
        before = _before(window, hidden)
        path = torch.cat([before, window])  # [k + 2, …]
        moves = path.diff(dim=0)
        return cls(window, moves[1:], moves[:-1])

    def changed(self, coefficients: Tensor) -> Tensor:
        """Generated values, float [k, …], from coefficients s, a, c and b, float [4, …] or [4, k, …]."""
        value, move, earlier, constant = coefficients
        return self.values + self.values * value + self.first * move + self.second * earlier + constant


def states_after(window: Tensor, hidden: Tensor) -> Tensor:
    """The state after each snapshot, float [k, …, S]: its value and the one before, or nothing if there is no state."""
    if not hidden.shape[-1]:
        return hidden.expand(len(window), *hidden.shape)
    before = torch.cat([_before(window, hidden)[1:], window[:-1]])
    return torch.stack([window, before], -1)


def _before(window: Tensor, hidden: Tensor) -> Tensor:
    """The two values before the window, oldest first, float [2, …]."""
    first = window[0]
    if not hidden.shape[-1]:
        return torch.stack([first, first])
    newest, older = hidden.unbind(-1)
    newest = torch.where(newest == 0, first, newest)
    return torch.stack([torch.where(older == 0, newest, older), newest])
