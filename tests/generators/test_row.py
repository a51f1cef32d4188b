"""The row generator: coefficients from whole rows and their counts of updates."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from asmg_pl.errors import ConfigError
from asmg_pl.generators import ParameterShapes, RowGenerator
from asmg_pl.testing import check_generator

SHAPES = ParameterShapes({"item": 3, "bias": 1}, {"a": 2}, window=3)


def drawn(**options: Any) -> RowGenerator:
    torch.manual_seed(0)
    generator = RowGenerator(SHAPES, **options)
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter)
    return generator


@pytest.mark.parametrize(
    "options", [{}, {"layers": [4, 5]}, {"carries_values": False}, {"counts_updates": False}], ids=str
)
def test_it_keeps_the_rules_of_a_generator(options: dict[str, Any]) -> None:
    check_generator(partial(RowGenerator, **options))


@pytest.mark.parametrize(("name", "width"), [("item", 3), ("bias", 1)])
def test_it_starts_as_the_identity_in_tables_of_any_width(name: str, width: int) -> None:
    window, generator = torch.randn(3, 5, width), RowGenerator(SHAPES)
    assert torch.equal(generator.generate(name, window, torch.randn(5, width, 2), torch.ones(3, 5, 3)), window)


def test_rows_of_equal_values_differ_by_their_counts_of_updates() -> None:
    window, updates = torch.randn(3, 1, 3).expand(3, 2, 3), torch.tensor([[1.0, 1, 0], [0, 9, 4]]).expand(3, 2, 3)
    one, other = drawn().generate("item", window, torch.zeros(2, 3, 2), updates)[-1]
    assert not torch.allclose(one, other)
    one, other = drawn(counts_updates=False).generate("item", window, torch.zeros(2, 3, 2))[-1]
    assert torch.equal(one, other)


def test_a_column_depends_on_the_whole_row() -> None:
    window = torch.randn(3, 2, 3)
    window[:, 1] = window[:, 0]
    window[:, 1, 2] += 1  # only the last column differs
    one, other = drawn().generate("item", window, torch.zeros(2, 3, 2), torch.ones(3, 2, 3))[-1]
    assert (one != other).all()


def test_rows_of_zeros_that_never_moved_are_finite() -> None:
    window = torch.zeros(3, 2, 3)
    generator = drawn()
    made = generator.generate("item", window, torch.zeros(2, 3, 2), torch.zeros(3, 2, 3))
    made.sum().backward()
    assert made.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in generator.parameters())


def test_without_layers_it_is_refused() -> None:
    for layers in ([], [0]):
        with pytest.raises(ConfigError, match=r"generator\.layers must be widths from 1 on"):
            RowGenerator(SHAPES, layers=layers)


def test_at_zero_of_the_decayed_parameters_it_is_the_identity() -> None:
    generator, window = drawn(), torch.randn(3, 5, 3)
    with torch.no_grad():
        for parameter in generator.identity_at_zero():
            parameter.zero_()
    assert torch.equal(generator.generate("item", window, torch.randn(5, 3, 2), torch.ones(3, 5, 3)), window)
