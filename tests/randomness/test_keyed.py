"""Random numbers by key: uniform, independent of each other, and the same wherever and with whomever they are drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from asmg_pl.randomness.keyed import mix, seed_of, seeded, uniform

ROWS = torch.arange(50_000)


def correlation(one: torch.Tensor, two: torch.Tensor) -> float:
    return float(np.corrcoef(one.flatten().numpy(), two.flatten().numpy())[0, 1])


def test_numbers_are_uniform_from_minus_one_to_one() -> None:
    drawn = uniform(ROWS, 8, 0, "table", "user")
    assert drawn.dtype == torch.float32
    assert drawn.min() >= -1
    assert drawn.max() < 1
    counts = drawn.flatten().histc(50, -1, 1)
    expected = drawn.numel() / 50
    assert ((counts - expected) ** 2 / expected).sum() < 100, "chi squared with 49 degrees of freedom"


def test_rows_columns_tables_and_seeds_have_nothing_to_do_with_each_other() -> None:
    drawn = uniform(ROWS, 8, 0, "table", "user")
    others = [
        (drawn[1:], drawn[:-1]),  # the next row
        (drawn[:, 1:], drawn[:, :-1]),  # the next column
        (drawn[8:, 0], drawn[:-8, 7]),
        (drawn, uniform(ROWS, 8, 1, "table", "user")),
        (drawn, uniform(ROWS, 8, 0, "table", "item")),
        (drawn, uniform(ROWS + 10**6, 8, 0, "table", "user")),
    ]
    for one, two in others:
        assert abs(correlation(one, two)) < 4 / one.numel() ** 0.5
        assert (one == two).float().mean() < 1e-4


def test_a_row_is_the_same_alone_among_others_and_in_any_order() -> None:
    drawn = uniform(ROWS, 3, 7, "table", "user")
    some = torch.tensor([49_999, 0, 5, 5])
    assert torch.equal(uniform(some, 3, 7, "table", "user"), drawn[some])
    assert torch.equal(uniform(ROWS, 2, 7, "table", "user"), drawn[:, :2])
    assert uniform(ROWS[:0], 3, 7).shape == (0, 3)


def test_numbers_stay_what_they_are() -> None:
    """Walks are resumed by later versions: these numbers must never change."""
    assert seed_of(1234, "table", "user") == 7153441288181635817
    drawn = uniform(torch.tensor([0, 1, 10**9]), 2, 1234, "table", "user")
    assert (drawn * 2**23).int().tolist() == [[-6047858, 6817180], [-5905056, 1564586], [6718187, -1783104]]
    assert mix(torch.tensor([0, 1, -1])).tolist() == [0, 6238072747940578789, -5417735806833148549]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_device_draws_the_same_numbers() -> None:
    assert torch.equal(uniform(ROWS.cuda(), 8, 3, "x").cpu(), uniform(ROWS, 8, 3, "x"))


def test_what_is_seeded_by_a_key_leaves_everything_else_as_it_was() -> None:
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    with seeded(3, "a"):
        first = torch.rand(2)
    assert torch.equal(torch.rand(2), expected)
    assert torch.initial_seed() == 1
    with seeded(3, "a"):
        assert torch.equal(torch.rand(2), first)
    with seeded(3, "b"):
        assert not torch.equal(torch.rand(2), first)
