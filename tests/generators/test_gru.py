"""The GRU generators against a plain loop over rows, coordinates and steps, written from the equations."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from asmg_pl.errors import ConfigError
from asmg_pl.generators import (
    Cells,
    Generator,
    GRUCells,
    GRUGenerator,
    ParameterShapes,
    ResidualGRU,
    VanillaCells,
)

SHAPES = ParameterShapes(tables={"user": 3, "item": 2}, dense={"a": 4, "b": 1})


def random_generator(kind: type[GRUGenerator], hidden_size: int, cell: type[Cells] = GRUCells) -> GRUGenerator:
    """A generator all of whose weights are drawn, so that none hides behind a zero."""
    torch.manual_seed(hidden_size)
    generator = kind(SHAPES, hidden_size, cell)
    for parameter in generator.parameters():
        nn.init.normal_(parameter)
    return generator


def one_coordinate(generator: GRUGenerator, key: str, kind: int, values: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """Generated values [k] and states [k, H] of a single coordinate, in float64."""
    size = generator.hidden_size
    cells, output = generator.cells[key], generator.outputs[key]
    u = cells.get_parameter("input_weight")[kind, 0].double().split(size)
    w = [w.T for w in cells.get_parameter("hidden_weight")[kind].double().split(size, -1)]
    w_y, b_y = output.get_parameter("weight")[kind].double(), output.get_parameter("bias")[kind].double()
    h, generated, states = h.double(), [], []
    for theta in values.double():
        if isinstance(cells, VanillaCells):
            h = torch.tanh(u[0] * theta + w[0] @ h)
        else:
            z = torch.sigmoid(u[0] * theta + w[0] @ h)
            r = torch.sigmoid(u[1] * theta + w[1] @ h)
            g = torch.tanh(u[2] * theta + w[2] @ (r * h))
            h = (1 - z) * h + z * g
        new = w_y @ h + b_y
        if isinstance(generator, ResidualGRU):
            new = theta * (1 + output.get_parameter("scale")[kind].double()) + new
        generated.append(new)
        states.append(h)
    return torch.stack(generated), torch.stack(states)


@pytest.mark.parametrize("cell", [GRUCells, VanillaCells])
@pytest.mark.parametrize("kind", [GRUGenerator, ResidualGRU])
@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("hidden_size", [1, 4])
def test_a_table_is_generated_as_a_loop_over_its_coordinates_would(
    kind: type[GRUGenerator], window: int, hidden_size: int, cell: type[Cells]
) -> None:
    generator = random_generator(kind, hidden_size, cell)
    for name, width in SHAPES.tables.items():
        values, hidden = torch.randn(window, 5, width), torch.randn(5, width, hidden_size)
        generated, states = generator.table(name, values, hidden)
        assert generated.shape == (window, 5, width)
        assert states.shape == (window, 5, width, hidden_size)
        for row in range(5):
            for column in range(width):  # a column's cell is shared by all rows
                expected = one_coordinate(
                    generator, f"table_{name}", column, values[:, row, column], hidden[row, column]
                )
                torch.testing.assert_close(generated[:, row, column].double(), expected[0], atol=1e-5, rtol=0)
                torch.testing.assert_close(states[:, row, column].double(), expected[1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("cell", [GRUCells, VanillaCells])
@pytest.mark.parametrize("kind", [GRUGenerator, ResidualGRU])
@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("hidden_size", [1, 4])
def test_dense_coordinates_are_generated_as_a_loop_over_them_would(
    kind: type[GRUGenerator], window: int, hidden_size: int, cell: type[Cells]
) -> None:
    generator = random_generator(kind, hidden_size, cell)
    values, hidden = torch.randn(window, 5), torch.randn(5, hidden_size)
    generated, states = generator.dense(values, hidden)
    assert generated.shape == (window, 5)
    assert states.shape == (window, 5, hidden_size)
    for coordinate in range(5):  # each dense coordinate has a cell of its own
        expected = one_coordinate(generator, "dense", coordinate, values[:, coordinate], hidden[coordinate])
        torch.testing.assert_close(generated[:, coordinate].double(), expected[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(states[:, coordinate].double(), expected[1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("cell", [GRUCells, VanillaCells])
@pytest.mark.parametrize("kind", [GRUGenerator, ResidualGRU])
def test_two_windows_of_one_step_make_a_window_of_two(kind: type[GRUGenerator], cell: type[Cells]) -> None:
    generator = random_generator(kind, 4, cell)
    values, hidden = torch.randn(2, 5, 3), torch.randn(5, 3, 4)
    together, states = generator.table("user", values, hidden)
    _, first = generator.table("user", values[:1], hidden)
    second, _ = generator.table("user", values[1:], first[0])
    torch.testing.assert_close(states[:1], first)
    torch.testing.assert_close(together[1:], second)


@pytest.mark.parametrize("cell", [GRUCells, VanillaCells])
@pytest.mark.parametrize("kind", [GRUGenerator, ResidualGRU])
def test_a_row_is_generated_alike_alone_and_among_others(kind: type[GRUGenerator], cell: type[Cells]) -> None:
    generator = random_generator(kind, 4, cell)
    values, hidden = torch.randn(3, 50, 3), torch.randn(50, 3, 4)
    whole, states = generator.table("user", values, hidden)
    rows = torch.tensor([49, 7, 7, 0])
    some, some_states = generator.table("user", values[:, rows], hidden[rows])
    torch.testing.assert_close(some, whole[:, rows], atol=1e-6, rtol=0)
    torch.testing.assert_close(some_states, states[:, rows], atol=1e-6, rtol=0)


def test_no_rows_make_no_rows() -> None:
    generated, states = GRUGenerator(SHAPES).table("user", torch.empty(3, 0, 3), torch.empty(0, 3, 4))
    assert generated.shape == (3, 0, 3)
    assert states.shape == (3, 0, 3, 4)


def test_the_residual_generator_starts_as_the_identity_bit_for_bit() -> None:
    generator = ResidualGRU(SHAPES)
    values, hidden = torch.randn(3, 50, 3) * 10, torch.randn(50, 3, 4)
    assert torch.equal(generator.table("user", values, hidden)[0], values)
    assert torch.equal(generator.dense(values[:, :5, 0], hidden[:5, 0])[0], values[:, :5, 0])


def test_the_residual_generator_can_leave_the_identity() -> None:
    # Outputs that start at zero must still get a gradient; were the states zero too, nothing would ever move.
    generator = ResidualGRU(SHAPES)
    generated, _ = generator.table("user", torch.randn(3, 50, 3), torch.zeros(50, 3, 4))
    generated[-1].square().sum().backward()
    for parameter in generator.outputs["table_user"].parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().min() > 0


def test_the_plain_generator_does_not_look_at_the_newest_value_but_through_its_state() -> None:
    generator = random_generator(GRUGenerator, 4)
    output = generator.outputs["dense"]
    states = torch.randn(3, 5, 1, 4)
    assert torch.equal(output(torch.zeros(3, 5, 1), states), output(torch.ones(3, 5, 1), states))


@pytest.mark.parametrize("kind", [GRUGenerator, ResidualGRU])
def test_a_generator_without_state_is_refused(kind: type[Generator]) -> None:
    with pytest.raises(ConfigError, match="hidden_size must be at least 1"):
        kind(SHAPES, 0)
