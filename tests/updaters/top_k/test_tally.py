"""Tallies against a plain sort, however the candidates are cut into blocks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asmg_pl.updaters.top_k.tally import Tally, first


def tally_of(
    scores: torch.Tensor, item: torch.Tensor, excluded: torch.Tensor, known: torch.Tensor, block: int
) -> Tally:
    """A tally of some blocks; ``excluded`` is bool [c, m]."""
    place, barred = excluded.nonzero(as_tuple=True)
    own = scores.gather(1, item[:, None])[:, 0]
    tally = Tally(item, known, (place, barred), own, longest=4)
    for begin in range(0, scores.shape[1], block):
        items = torch.arange(begin, min(begin + block, scores.shape[1]))
        tally.add(items, scores[:, items].clone())
    return tally


@settings(deadline=None, max_examples=80)
@given(st.integers(0, 10**6), st.integers(1, 9), st.sampled_from([2, 5, 1000]))
def test_places_and_lists_are_those_of_a_sort(seed: int, block: int, levels: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    cases, count = 3, 11
    scores = torch.randint(levels, (cases, count), generator=draw).float() - levels / 2
    item = torch.randint(count, (cases,), generator=draw)
    known = torch.randint(1, count + 1, (cases,), generator=draw)
    excluded = torch.rand(cases, count, generator=draw) < 0.3
    excluded[torch.arange(cases), item] = False
    tally = tally_of(scores, item, excluded, known, block)
    for row in range(cases):
        open_ = [i for i in range(int(known[row])) if not excluded[row, i]]
        own = scores[row, item[row]]
        others = [i for i in open_ if i != int(item[row])]
        assert int(tally.above[row]) == sum(bool(scores[row, i] > own) for i in others)
        assert int(tally.ties[row]) == sum(bool(scores[row, i] == own) for i in others)
        best = sorted(open_, key=lambda i: (-float(scores[row, i]), i))[:4]
        assert tally.listed[row].tolist() == best + [-1] * (4 - len(best))
    assert not tally.broken.any()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_that_is_not_finite_is_told(value: float) -> None:
    scores = torch.zeros(2, 5)
    scores[1, 3] = value
    nothing = torch.zeros(2, 5, dtype=torch.bool)
    assert tally_of(scores, torch.tensor([0, 1]), nothing, torch.tensor([5, 5]), 2).broken.tolist() == [False, True]


def test_scores_that_rounding_alone_tells_apart_are_equal() -> None:
    scores = torch.full((1, 4), 0.3)
    scores[0, 2] = float(np.nextafter(np.float32(0.3), np.float32(1)))
    tally = tally_of(scores, torch.tensor([0]), torch.zeros(1, 4, dtype=torch.bool), torch.tensor([4]), 4)
    assert (int(tally.above[0]), int(tally.ties[0])) == (0, 3)


def test_of_equal_scores_the_first_columns_are_taken() -> None:
    scores = torch.zeros(2, 500)
    scores[1, 400] = 1.0
    assert first(scores, 3).tolist() == [[0, 1, 2], [0, 1, 400]]
