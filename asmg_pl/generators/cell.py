"""The per-coordinate recurrent cells: the paper's GRU (Peng et al., RecSys 2021) and a vanilla RNN.

For one coordinate with value θ_i in snapshot i and state h ∈ R^H, without biases:

    GRU        z_i = σ(u_z θ_i + W_z h_{i-1})        r_i = σ(u_r θ_i + W_r h_{i-1})
               g_i = tanh(u_g θ_i + W_g (r_i ⊙ h_{i-1}))
               h_i = (1 - z_i) ⊙ h_{i-1} + z_i ⊙ g_i

    vanilla    h_i = tanh(u θ_i + W h_{i-1})

P kinds of coordinates have a cell each; n coordinates of one kind share it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn


def glorot_cells(groups: Sequence[int], rows: int, columns: int) -> Tensor:
    """Weights [P, rows, columns] of P = Σ groups cells, Glorot uniform group by group.

    The cells of one parameter are one group. Their number counts as a receptive field: fan-in is ``group · rows`` and
    fan-out ``group · columns``.
    """
    limits = [(6.0 / (group * (rows + columns))) ** 0.5 for group in groups]
    drawn = [torch.empty(g, rows, columns).uniform_(-x, x) for g, x in zip(groups, limits, strict=True)]
    return torch.cat([torch.empty(0, rows, columns), *drawn])


class Cells(nn.Module, ABC):
    """P recurrent cells side by side, without an output layer.

    Attributes:
        gates: how many maps of value and state a cell has, G.
        input_weight: u of each gate side by side, float [P, 1, GH].
        hidden_weight: W of each gate side by side, float [P, H, GH].

    Examples:
        >>> cells = VanillaCells([3], hidden_size=2)  # one parameter of three coordinates
        >>> cells.input_weight.shape, cells.hidden_weight.shape
        (torch.Size([3, 1, 2]), torch.Size([3, 2, 2]))
    """

    gates: int

    def __init__(self, groups: Sequence[int], hidden_size: int) -> None:
        """Create the cells, Glorot uniform gate by gate.

        Args:
            groups: how many cells each parameter has; P is their sum.
            hidden_size: H.
        """
        super().__init__()
        self.hidden_size = hidden_size
        self.input_weight = self._drawn(groups, 1)
        self.hidden_weight = self._drawn(groups, hidden_size)

    def _drawn(self, groups: Sequence[int], rows: int) -> nn.Parameter:
        return nn.Parameter(torch.cat([glorot_cells(groups, rows, self.hidden_size) for _ in range(self.gates)], -1))

    @abstractmethod
    def step(self, inputs: Tensor, hidden: Tensor) -> Tensor:
        """Take one step.

        Args:
            inputs: u θ of each gate, float [P, n, GH].
            hidden: the state before the step, float [P, n, H].

        Returns:
            The state after the step, float [P, n, H].
        """

    def units(self, value: Tensor, hidden: Sequence[Tensor]) -> list[Tensor]:
        """Take the same step, written unit by unit so that a compiler can fuse it.

        Args:
            value: θ, float [P, n].
            hidden: the H units of the state before, float [P, n] each.

        Returns:
            The units of the next state.
        """
        return list(self.step(value.unsqueeze(-1) * self.input_weight, torch.stack(list(hidden), -1)).unbind(-1))

    def gate(self, number: int, value: Tensor, hidden: Sequence[Tensor]) -> list[Tensor]:
        """A gate's map u θ + W h unit by unit, see :meth:`units`."""
        columns = range(number * self.hidden_size, (number + 1) * self.hidden_size)
        start = [value * self.input_weight[:, 0, j, None] for j in columns]
        terms = [[h * self.hidden_weight[:, i, j, None] for i, h in enumerate(hidden)] for j in columns]
        return [sum(products, first) for first, products in zip(start, terms, strict=True)]

    def forward(self, window: Tensor, hidden: Tensor) -> Tensor:
        """States after each step.

        Args:
            window: values, float [k, P, n].
            hidden: initial state, float [P, n, H].

        Returns:
            float [k, P, n, H].
        """
        states = []
        for values in window.unsqueeze(-1):  # [P, n, 1]
            hidden = self.step(values * self.input_weight, hidden)
            states.append(hidden)
        return torch.stack(states)

    def learned(self, window: Tensor, before: Tensor) -> dict[str, float]:
        """Means over all coordinates and steps that tell people how the cells work; none by default.

        Args:
            window: values, float [k, P, n].
            before: the state before each step, float [k, P, n, H].
        """
        return {}


class GRUCells(Cells):
    """GRU cells, whose gates are z, r and g.

    Examples:
        >>> cells = GRUCells([3], hidden_size=2)
        >>> cells(torch.randn(4, 3, 5), torch.zeros(3, 5, 2)).shape  # 4 steps of 3 kinds of coordinates, 5 of each
        torch.Size([4, 3, 5, 2])
    """

    gates = 3

    def step(self, inputs: Tensor, hidden: Tensor) -> Tensor:
        """See :meth:`Cells.step`."""
        zr = 2 * self.hidden_size  # the columns of z and r, which one product computes
        z, r = torch.baddbmm(inputs[..., :zr], hidden, self.hidden_weight[..., :zr]).sigmoid().chunk(2, -1)
        g = torch.baddbmm(inputs[..., zr:], r * hidden, self.hidden_weight[..., zr:]).tanh()
        return torch.lerp(hidden, g, z)  # (1 - z) h + z g

    def units(self, value: Tensor, hidden: Sequence[Tensor]) -> list[Tensor]:
        """See :meth:`Cells.units`."""
        z = [a.sigmoid() for a in self.gate(0, value, hidden)]
        kept = [a.sigmoid() * h for a, h in zip(self.gate(1, value, hidden), hidden, strict=True)]
        g = [a.tanh() for a in self.gate(2, value, kept)]
        return [h + z * (g - h) for h, z, g in zip(hidden, z, g, strict=True)]

    def learned(self, window: Tensor, before: Tensor) -> dict[str, float]:
        """``"openness"``, the mean of the update gate z: 0 keeps the state as it was, 1 replaces it."""
        size = self.hidden_size
        z = (window.unsqueeze(-1) * self.input_weight[..., :size] + before @ self.hidden_weight[..., :size]).sigmoid()
        return {"openness": z.mean().item()}


class VanillaCells(Cells):
    """Vanilla RNN cells, which have a third of a GRU's weights and replace the whole state in each step.

    Examples:
        >>> [sum(weight.numel() for weight in kind([3], 4).parameters()) for kind in (VanillaCells, GRUCells)]
        [60, 180]
    """

    gates = 1

    def step(self, inputs: Tensor, hidden: Tensor) -> Tensor:
        """See :meth:`Cells.step`."""
        return torch.baddbmm(inputs, hidden, self.hidden_weight).tanh()

    def units(self, value: Tensor, hidden: Sequence[Tensor]) -> list[Tensor]:
        """See :meth:`Cells.units`."""
        return [a.tanh() for a in self.gate(0, value, hidden)]
