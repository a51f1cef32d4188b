"""Metrics of lists against their definitions: the mean over all orders of equal scores."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise, permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asmg_pl.errors import ConfigError
from asmg_pl.metrics import TopK
from asmg_pl.metrics.placed import Placed, mean_by, means

METRICS: dict[str, Callable[[int], float]] = {
    "hr": lambda place: 1.0,
    "recall": lambda place: 1.0,
    "ndcg": lambda place: 1 / math.log2(1 + place),
    "mrr": lambda place: 1 / place,
}


def brute(scores: list[int], own: int, at: int) -> dict[str, float]:
    """The mean gain over all orders of the candidates in which no score stands before a higher one."""
    orders = [o for o in permutations(range(len(scores))) if all(scores[a] >= scores[b] for a, b in pairwise(o))]
    places = [order.index(own) + 1 for order in orders]
    return {
        name: sum(gain(place) if place <= at else 0.0 for place in places) / len(places)
        for name, gain in METRICS.items()
    }


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.data(), st.integers(1, 7))
def test_a_case_counts_its_mean_over_all_orders_of_equal_scores(
    scores: list[int], data: st.DataObject, at: int
) -> None:
    own = data.draw(st.integers(0, len(scores) - 1))
    above = sum(score > scores[own] for score in scores)
    ties = sum(score == scores[own] for score in scores) - 1
    placed = Placed(torch.tensor([above]), torch.tensor([ties]), torch.tensor([False]))
    found = {name: float(gain) for name, gain in placed.gains(at).items()}
    assert found == pytest.approx(brute(scores, own, at), abs=1e-12)


def test_a_missed_case_counts_nothing_whatever_its_place_seems() -> None:
    placed = Placed(torch.tensor([0, 0]), torch.tensor([0, 0]), torch.tensor([True, False]))
    assert {name: gain.tolist() for name, gain in placed.gains(3).items()} == {name: [0.0, 1.0] for name in METRICS}


def test_recall_is_the_mean_over_users_and_groups_have_their_own_means() -> None:
    placed = Placed(torch.tensor([0, 9, 9, 0]), torch.zeros(4, dtype=torch.int64), torch.zeros(4, dtype=torch.bool))
    user, new = torch.tensor([7, 7, 7, 2]), torch.tensor([True, True, False, False])
    found = means(placed, user, {"new_users": new, "none": torch.zeros(4, dtype=torch.bool)}, [5])
    assert (found["hr_at_5"], found["recall_at_5"]) == pytest.approx((0.5, (1 / 3 + 1) / 2))
    assert (found["hr_at_5_new_users"], found["recall_at_5_new_users"]) == (0.5, 0.5)
    assert math.isnan(found["ndcg_at_5_none"])
    assert math.isnan(found["recall_at_5_none"])


def test_a_mean_by_group_gives_each_group_one_voice() -> None:
    assert float(mean_by(torch.tensor([1.0, 1.0, 0.0]).double(), torch.tensor([0, 0, 5]))) == 0.5


def test_a_case_of_weight_2_counts_as_two_cases() -> None:
    draw = torch.Generator().manual_seed(4)
    above, ties, user = (torch.randint(0, 6, (40,), generator=draw) for _ in range(3))
    weight, new = torch.randint(1, 4, (40,), generator=draw), torch.rand(40, generator=draw) < 0.3
    missed = torch.rand(40, generator=draw) < 0.1
    times = torch.arange(40).repeat_interleave(weight)
    found = means(Placed(above, ties, missed), user, {"new_users": new}, [3, 5], weight.float())
    repeated = Placed(above[times], ties[times], missed[times])
    assert found == pytest.approx(means(repeated, user[times], {"new_users": new[times]}, [3, 5]), rel=1e-12)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"at": []}, "top_k.at"),
        ({"at": [0]}, "top_k.at"),
        ({"at": [5, 5]}, "top_k.at"),
        ({"at": [10], "candidates": 10}, "top_k.candidates must be 'all' or more than the longest list, 10"),
        ({"rows": 0}, "top_k.rows"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        TopK(**wrong)  # type: ignore[arg-type]
