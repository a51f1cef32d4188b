"""Ranks and their means against brute force."""

from __future__ import annotations

import pytest
import torch

from asmg_pl.errors import DivergedError
from asmg_pl.experiments.next_item.ranks import figures, ranks


def test_ranks_and_figures_are_those_of_brute_force() -> None:
    draw = torch.Generator().manual_seed(1)
    scores = torch.randint(40, (200, 60), generator=draw).float()  # with ties
    items = torch.randint(60, (200,), generator=draw)
    expected = []
    for row, item in zip(scores.tolist(), items.tolist(), strict=True):
        better = [other for other in range(60) if other != item and row[other] >= row[item]]
        expected.append(1 + len(better))
    found = ranks(scores, items)
    assert found.tolist() == expected
    for cut in (10, 20):
        assert figures(found)[f"recall_{cut}"] == pytest.approx(sum(rank <= cut for rank in expected) / 200)
        reciprocal = sum(1 / rank for rank in expected if rank <= cut) / 200
        assert figures(found)[f"mrr_{cut}"] == pytest.approx(reciprocal)


def test_equal_scores_of_all_items_are_worth_nothing() -> None:
    assert figures(ranks(torch.zeros(3, 50), torch.tensor([0, 20, 49])))["recall_20"] == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("place", [0, 7])
def test_what_is_not_finite_has_no_rank(value: float, place: int) -> None:
    scores = torch.rand(2, 50)
    scores[1, place] = value
    with pytest.raises(DivergedError, match="a score of the model is not finite"):
        ranks(scores, torch.tensor([3, 7]))
