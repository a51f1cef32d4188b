"""The per-coordinate GRU cell (method: Peng et al., RecSys 2021, generator equations).

For one coordinate with value θ_i in snapshot i and state h ∈ R^H:

    z_i = σ(u_z θ_i + W_z h_{i-1})        r_i = σ(u_r θ_i + W_r h_{i-1})        no biases
    g_i = tanh(u_g θ_i + W_g (r_i ⊙ h_{i-1}))
    h_i = (1 - z_i) ⊙ h_{i-1} + z_i ⊙ g_i

P kinds of coordinates have a cell each; n coordinates of one kind share it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def glorot_cells(groups: Sequence[int], rows: int, columns: int) -> Tensor:
    """Weights [P, rows, columns] of P = Σ groups cells, Glorot uniform group by group.

    The cells of one parameter are one group, and their number counts as a receptive field: fan-in is
    ``group · rows`` and fan-out ``group · columns``.
    """
    limits = [(6.0 / (group * (rows + columns))) ** 0.5 for group in groups]
    return torch.cat([torch.empty(g, rows, columns).uniform_(-x, x) for g, x in zip(groups, limits, strict=True)])


class GRUCells(nn.Module):
    """P GRU cells side by side, without an output layer.

    Attributes:
        input_weight: u_z, u_r, u_g side by side, float [P, 1, 3H].
        hidden_weight: W_z, W_r, W_g side by side, float [P, H, 3H].
    """

    def __init__(self, groups: Sequence[int], hidden_size: int) -> None:
        """Create the cells.

        Args:
            groups: how many cells each parameter has; P is their sum.
            hidden_size: H.
        """
        super().__init__()
        self.hidden_size = hidden_size
        self.input_weight = nn.Parameter(torch.cat([glorot_cells(groups, 1, hidden_size) for _ in range(3)], -1))
        self.hidden_weight = nn.Parameter(
            torch.cat([glorot_cells(groups, hidden_size, hidden_size) for _ in range(3)], -1)
        )

    def forward(self, window: Tensor, hidden: Tensor) -> Tensor:
        """States after each step.

        Args:
            window: values, float [k, P, n].
            hidden: initial state, float [P, n, H].

        Returns:
            float [k, P, n, H].
        """
        gates = 2 * self.hidden_size
        states = []
        for values in window.unsqueeze(-1):  # [P, n, 1]
            inputs = values * self.input_weight  # [P, n, 3H]
            z, r = torch.baddbmm(inputs[..., :gates], hidden, self.hidden_weight[..., :gates]).sigmoid().chunk(2, -1)
            g = torch.baddbmm(inputs[..., gates:], r * hidden, self.hidden_weight[..., gates:]).tanh()
            hidden = torch.lerp(hidden, g, z)
            states.append(hidden)
        return torch.stack(states)
