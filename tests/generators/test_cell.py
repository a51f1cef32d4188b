"""The recurrent cells: their initial law, group by group, and what their gates do."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from asmg_pl.generators.cell import Cells, GRUCells, VanillaCells, glorot_cells


@pytest.mark.parametrize(("rows", "columns"), [(1, 4), (4, 4), (4, 1), (1, 1)])
def test_each_group_has_its_own_glorot_limit(rows: int, columns: int) -> None:
    # Published rule: the group's cells count as a receptive field, so fan-in is group·rows and fan-out group·columns.
    groups = [4000, 1000]
    torch.manual_seed(0)
    weights = glorot_cells(groups, rows, columns)
    assert weights.shape == (5000, rows, columns)
    for part, group in zip(weights.split(groups), groups, strict=True):
        limit = (6 / (group * rows + group * columns)) ** 0.5
        assert part.abs().max() <= limit
        # Uniform up to the limit: the extremes of a thousand draws come close to it, and the spread is limit/√3.
        assert part.max() > 0.98 * limit
        assert part.min() < -0.98 * limit
        assert part.std().item() == pytest.approx(limit / 3**0.5, rel=0.08)


@pytest.mark.parametrize(("kind", "count"), [(GRUCells, 3), (VanillaCells, 1)])
def test_every_gate_is_drawn_with_the_limit_of_one_gate(kind: type[Cells], count: int) -> None:
    # The gates lie side by side in one tensor; drawn together, they would have a fan-out three times too large.
    torch.manual_seed(0)
    cells = kind([500], hidden_size=4)
    for weight, rows in [(cells.input_weight, 1), (cells.hidden_weight, 4)]:
        assert weight.shape == (500, rows, 4 * count)
        limit = (6 / (500 * (rows + 4))) ** 0.5
        gates = weight.chunk(count, -1)
        for gate in gates:
            assert 0.98 * limit < gate.abs().max() <= limit
        for one, other in pairwise(gates):
            assert not torch.equal(one, other)


def test_a_state_is_kept_where_the_update_gate_is_closed_and_replaced_where_it_is_open() -> None:
    cells = GRUCells([1], hidden_size=1)
    with torch.no_grad():
        cells.input_weight.copy_(torch.tensor([[[100.0, 0.0, 0.5]]]))  # z follows the sign of θ, g = tanh(θ/2)
        cells.hidden_weight.zero_()
    hidden = torch.full((1, 2, 1), 0.25)
    states = cells(torch.tensor([[[-1.0, 1.0]]]), hidden)
    torch.testing.assert_close(states.flatten(), torch.tensor([0.25, torch.tanh(torch.tensor(0.5)).item()]))
