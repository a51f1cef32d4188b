"""The compiled window against the plain cells: values and gradients, whatever the cell and the output."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from asmg_pl.generators import Cells, Generator, GRUCells, GRUGenerator, ParameterShapes, ResidualGRU, VanillaCells
from asmg_pl.system.compiled import cpp_compiler
from asmg_pl.generators.kernels.fused import FusedWindow, _window

SHAPES = ParameterShapes(tables={"user": 3, "item": 3}, dense={"a": 4}, window=2)


def random_generator(kind: type[GRUGenerator], hidden_size: int, cell: Any = GRUCells) -> GRUGenerator:
    torch.manual_seed(hidden_size)
    generator = kind(SHAPES, hidden_size, cell)
    for parameter in generator.parameters():
        nn.init.normal_(parameter)
    return generator


def gradients(generator: Generator, generated: Tensor, cotangent: Tensor) -> list[Tensor]:
    generator.zero_grad()
    generated.backward(cotangent)
    return [p.grad for p in generator.parameters() if p.grad is not None]


class Plain(Cells):
    """Cells that say nothing of their units."""

    gates = 2

    def step(self, inputs: Tensor, hidden: Tensor) -> Tensor:
        size = self.hidden_size
        mapped = inputs + hidden @ self.hidden_weight
        return (mapped[..., :size] * mapped[..., size:]).sin()


@pytest.mark.parametrize("cell", [GRUCells, VanillaCells, Plain])
@pytest.mark.parametrize("kind", [GRUGenerator, ResidualGRU])
@pytest.mark.parametrize("hidden_size", [1, 3])
def test_unit_by_unit_the_cells_are_the_same(kind: type[GRUGenerator], cell: type[Cells], hidden_size: int) -> None:
    generator = random_generator(kind, hidden_size, cell)
    window, hidden = torch.randn(2, 5, 3), torch.randn(5, 3, hidden_size)
    plain = generator.generate("item", window, hidden)
    cells, output = generator.cells["table_item"], generator.outputs["table_item"]
    units = _window(cells, output, window.transpose(1, 2), hidden.permute(2, 1, 0)).transpose(1, 2)
    torch.testing.assert_close(units, plain, atol=1e-5, rtol=0)
    cotangent = torch.randn_like(plain)
    for ours, theirs in zip(
        gradients(generator, units, cotangent), gradients(generator, plain, cotangent), strict=True
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.skipif(cpp_compiler() is None, reason="needs a C++ compiler")
def test_the_compiled_kernel_gives_the_same_numbers_for_tables_of_any_size() -> None:
    generator = random_generator(ResidualGRU, 1)
    kernel = FusedWindow(torch.device("cpu"))
    compiled = torch._dynamo.utils.counters["stats"]
    before = compiled["unique_graphs"]
    for name, rows in [("item", kernel.fewest_rows), ("item", kernel.fewest_rows + 100), ("user", 5000)]:
        window, hidden = torch.randn(2, rows, SHAPES.tables[name]), torch.randn(rows, SHAPES.tables[name], 1)
        plain = generator.generate(name, window, hidden)
        cotangent = torch.randn_like(plain)
        expected = gradients(generator, plain, cotangent)
        found = kernel(generator.cells[f"table_{name}"], generator.outputs[f"table_{name}"], window, hidden)
        torch.testing.assert_close(found, plain, atol=1e-5, rtol=0)
        for ours, theirs in zip(gradients(generator, found, cotangent), expected, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-5 * float(theirs.abs().max()), rtol=1e-5)
    assert compiled["unique_graphs"] - before == 1  # one kernel for all of a width


def test_on_a_gpu_windows_that_grow_and_large_states_stay_plain() -> None:
    for shapes, size in [(ParameterShapes({"user": 2}, {}, None), 4), (ParameterShapes({"user": 2}, {}, 3), 16)]:
        generator = GRUGenerator(shapes, size)
        generator.fuse(torch.device("meta"))
        assert generator._kernel is None
    usual = GRUGenerator(ParameterShapes({"user": 2}, {}, 3), 4)
    usual.fuse(torch.device("meta"))
    assert isinstance(usual._kernel, FusedWindow)
