"""Herding: how a budget is divided over groups, and which rows of each are chosen."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from asmg_pl.updaters.herding import herd, quotas


def test_quotas_are_proportional_and_what_is_left_goes_to_the_largest_remainders() -> None:
    assert quotas(torch.tensor([50, 30, 20]), 10).tolist() == [5, 3, 2]
    assert quotas(torch.tensor([6, 5, 1]), 7).tolist() == [3, 3, 1]  # exactly 3.5, 2.92 and 0.58
    assert quotas(torch.tensor([4, 4, 4]), 5).tolist() == [2, 2, 1], "of equal remainders, the first"


def test_with_more_groups_than_budget_the_largest_get_one_each() -> None:
    assert quotas(torch.tensor([1, 3, 1, 2, 1, 1]), 2).tolist() == [0, 1, 0, 1, 0, 0]


@pytest.mark.parametrize("budget", [0, 1, 17, 500, 999, 1000])
def test_quotas_sum_to_the_budget_and_no_group_gives_more_than_it_has(budget: int) -> None:
    draw = torch.Generator().manual_seed(budget)
    counts = torch.rand(80, generator=draw).square().multinomial(1000, replacement=True, generator=draw).bincount()
    found = quotas(counts, budget)
    assert found.sum() == budget
    assert (found <= counts).all()
    assert ((found - counts * budget / counts.sum()).abs() < 1).all()


def herd_one_group(features: Tensor, quota: int) -> list[int]:
    """Herding as it is defined: of all rows left, the one with which the chosen rows' mean comes closest."""
    chosen: list[int] = []
    for _ in range(quota):
        left = [row for row in range(len(features)) if row not in chosen]
        gaps = [float((features.mean(0) - features[[*chosen, row]].mean(0)).norm()) for row in left]
        chosen.append(left[gaps.index(min(gaps))])
    return chosen


@pytest.mark.parametrize("seed", range(5))
def test_every_group_is_herded_as_if_it_were_alone(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    features = torch.randn(120, 3, generator=draw, dtype=torch.float64)
    groups = torch.randint(9, (120,), generator=draw)
    share = quotas(groups.bincount(minlength=9), 40)
    share[4] = 0
    expected = []
    for group in range(9):
        rows = (groups == group).nonzero().flatten()
        expected += rows[herd_one_group(features[rows], int(share[group]))].tolist()
    assert herd(features, groups, share).tolist() == sorted(expected)


def test_the_chosen_rows_stay_close_to_the_mean() -> None:
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(400, 4, generator=draw)
    chosen = herd(features, torch.zeros(400, dtype=torch.int64), torch.tensor([20]))
    random = torch.stack([features[torch.randperm(400, generator=draw)[:20]].mean(0) for _ in range(200)])
    gap = (features[chosen].mean(0) - features.mean(0)).norm()
    assert gap < 0.1 * (random - features.mean(0)).norm(dim=1).mean()


def test_a_group_that_gives_all_gives_each_row_once_and_equal_rows_go_in_order() -> None:
    features, groups = torch.zeros(6, 2), torch.tensor([1, 0, 1, 0, 1, 1])
    assert herd(features, groups, torch.tensor([2, 4])).tolist() == [0, 1, 2, 3, 4, 5]
    assert herd(features, groups, torch.tensor([1, 2])).tolist() == [0, 1, 2]
    assert herd(features, groups, torch.tensor([0, 0])).tolist() == []
