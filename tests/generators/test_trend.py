"""The trend generator: signed coefficients per column."""

from __future__ import annotations

import pytest
import torch

from asmg_pl.generators import ParameterShapes, TrendGenerator
from asmg_pl.testing import check_generator

SHAPES = ParameterShapes({"item": 2}, {"a": 2, "b": 1}, window=3)


def test_it_keeps_the_rules_of_a_generator() -> None:
    check_generator(TrendGenerator)


def test_it_starts_as_the_identity() -> None:
    window, dense, generator = torch.randn(3, 5, 2), torch.randn(3, 3), TrendGenerator(SHAPES)
    assert torch.equal(generator.generate("item", window, torch.randn(5, 2, 2)), window)
    assert torch.equal(generator.generate_dense(dense, torch.randn(3, 2)), dense)


def test_each_column_and_each_dense_coordinate_has_its_own_coefficients() -> None:
    generator = TrendGenerator(SHAPES, carries_values=False)
    for coefficients in generator.coefficients.values():
        torch.nn.init.normal_(coefficients)
    table, dense = torch.randn(3, 5, 2), torch.randn(3, 3)
    for found, window, key in [
        (generator.generate("item", table, torch.zeros(5, 2, 0)), table, "table_item"),
        (generator.generate_dense(dense, torch.zeros(3, 0)), dense, "dense"),
    ]:
        value, move, earlier, constant = generator.coefficients[key]
        expected = window[2] * (1 + value) + (window[2] - window[1]) * move + (window[1] - window[0]) * earlier
        torch.testing.assert_close(found[2], expected + constant)


def test_steps_that_are_too_short_give_a_positive_coefficient_of_the_last_move() -> None:
    torch.manual_seed(0)
    path = torch.randn(4, 50, 2).cumsum(0)
    window, wanted = path[:3], path[2] + 0.5 * (path[2] - path[1])  # each move should have been longer by a half
    generator = TrendGenerator(SHAPES)
    optimizer = torch.optim.Adam(generator.parameters(), lr=0.05)
    for _ in range(200):
        loss = (generator.generate("item", window, torch.zeros(50, 2, 2))[-1] - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    learned = generator.learned("item", window, torch.zeros(50, 2, 2))
    assert list(learned) == [f"coefficient_{kind}" for kind in ("value", "move", "earlier_move", "constant")]
    assert list(learned.values()) == pytest.approx([0.0, 0.5, 0.0, 0.0], abs=0.02)
