"""Matrices without memory take as many random numbers as others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from asmg_pl.randomness import outlines
from asmg_pl.randomness.outlines import Outlines


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Matrices of few rows are outlines, drawn in several blocks."""
    monkeypatch.setattr(outlines, "LEAST", 17)
    monkeypatch.setattr(outlines, "AT_A_TIME", 256)


@pytest.mark.parametrize("rows", [17, 31, 32, 47, 100, 257, 1025])
@pytest.mark.parametrize("width", [1, 5, 8, 300])
def test_what_is_drawn_after_an_outline_is_the_same_to_the_bit(rows: int, width: int) -> None:
    def draw() -> tuple[nn.Embedding, torch.Tensor, torch.Tensor]:
        torch.manual_seed(3)
        table = nn.Embedding(rows, width)
        nn.init.xavier_normal_(table.weight)
        nn.init.kaiming_uniform_(table.weight)
        nn.init.uniform_(table.weight.data, -1, 1)
        table.weight.data[:, : width // 2 + 1].uniform_()
        return table, torch.get_rng_state(), nn.Linear(3, 2).weight

    _, state, layer = draw()
    with Outlines():
        outline, same_state, same_layer = draw()
    assert outline.weight.is_meta
    assert not same_layer.is_meta
    assert torch.equal(same_state, state)
    assert torch.equal(same_layer, layer)


def test_an_outline_is_drawn_a_few_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def fill(block: torch.Tensor) -> None:
        sizes.append(block.numel())

    monkeypatch.setattr(outlines, "FILLING", (fill,))
    table = torch.empty(10_000, 4, device="meta")
    outlines.Outlines().__torch_function__(fill, (), (table,))
    assert sum(sizes) == 40_000
    assert max(sizes) <= 256 + 15 * 4


@pytest.mark.parametrize(
    "draw",
    [
        lambda weight: weight.exponential_(),
        lambda weight: weight[:, :1].normal_(),
        torch.randn_like,
        lambda weight: nn.functional.dropout(weight),
    ],
)
def test_numbers_that_nobody_can_count_are_refused(draw: Callable[[torch.Tensor], object]) -> None:
    with Outlines(), pytest.raises(TypeError, match="of a matrix without memory"):
        draw(nn.Embedding(20, 2).weight.data)
