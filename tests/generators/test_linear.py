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


def test_its_learned_shares_are_means_over_columns_oldest_first_and_sum_to_one() -> None:
    generator = LinearGenerator(SHAPES)
    with torch.no_grad():
        generator.logits["table_item"][:2] = torch.tensor([4.0, 2.0, 1.0]).log()  # two of the four columns
    learned = generator.learned("item", torch.randn(3, 5, 4), torch.zeros(5, 4, 0))
    assert learned == pytest.approx({"share_1": (4 / 7 + 1 / 3) / 2, "share_2": (2 / 7 + 1 / 3) / 2, "share_3": 5 / 21})
    assert generator.learned(None, torch.randn(3, 8), torch.zeros(8, 0)) == pytest.approx(
        {"share_1": 1 / 3, "share_2": 1 / 3, "share_3": 1 / 3}
    )


def test_a_window_that_grows_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"set model\.window to a number, got null"):
        LinearGenerator(ParameterShapes({"item": 4}, {}, window=None))
