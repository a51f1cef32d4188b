"""The linear generator: a learned average of the window."""

from __future__ import annotations

import pytest
import torch

from asmg_pl.errors import ConfigError
from asmg_pl.generators import LinearGenerator, ParameterShapes

SHAPES = ParameterShapes({"item": 4}, {"mlp.0.weight": 6, "mlp.0.bias": 2}, window=3)


def test_it_starts_as_the_plain_mean() -> None:
    window, hidden = torch.randn(3, 5, 4), torch.zeros(5, 4, 0)
    generated, states = LinearGenerator(SHAPES).table("item", window, hidden)
    torch.testing.assert_close(generated[-1], window.mean(0))
    assert torch.equal(generated[:-1], window[:-1])
    assert states.shape == (3, 5, 4, 0)


def test_each_column_and_each_dense_coordinate_has_its_own_average() -> None:
    generator = LinearGenerator(SHAPES)
    for logits in generator.logits.values():
        torch.nn.init.normal_(logits)
    table, dense = torch.randn(3, 5, 4), torch.randn(3, 8)
    for found, window, key in [
        (generator.table("item", table, torch.zeros(5, 4, 0))[0], table, "table_item"),
        (generator.dense(dense, torch.zeros(8, 0))[0], dense, "dense"),
    ]:
        shares = generator.logits[key].exp() / generator.logits[key].exp().sum(-1, keepdim=True)
        for column in range(window.shape[-1]):
            expected = sum(shares[column, j] * window[j, ..., column] for j in range(3))
            torch.testing.assert_close(found[-1, ..., column], expected)


def test_a_window_that_grows_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"set model\.window to a number, got null"):
        LinearGenerator(ParameterShapes({"item": 4}, {}, window=None))
