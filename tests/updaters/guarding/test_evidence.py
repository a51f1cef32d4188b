"""Settings are compared by paired differences, of which older ones weigh less."""

from __future__ import annotations

import math

import pytest

from asmg_pl.updaters.guarding.evidence import difference, leader, losers

LOSSES = {
    12: {0: 0.60, 1: 0.59, 2: 0.80},
    13: {0: 0.50, 1: 0.48, 2: 0.70},
    14: {0: 0.55, 1: 0.54, 2: math.nan},
    15: {0: 0.52, 1: 0.51},
}


def test_a_difference_is_the_weighted_mean_of_common_periods() -> None:
    found = difference(LOSSES, 1, 0, decay=0.8)
    weights = [0.8**3, 0.8**2, 0.8, 1.0]
    expected = -sum(w * d for w, d in zip(weights, [0.01, 0.02, 0.01, 0.01], strict=True)) / sum(weights)
    assert found.mean == pytest.approx(expected)
    assert found.periods == 4
    assert difference(LOSSES, 2, 0, decay=0.8).periods == 2
    assert difference(LOSSES, 3, 0, decay=0.8).periods == 0


def test_equal_weights_give_the_usual_standard_error() -> None:
    values = [0.01, 0.02, 0.01, 0.01]
    mean = sum(values) / 4
    expected = math.sqrt(sum((v - mean) ** 2 for v in values) / 3 / 4)
    assert difference(LOSSES, 1, 0, decay=1.0).error == pytest.approx(expected)


def test_another_leads_only_if_it_is_better_by_more_than_chance_explains() -> None:
    assert leader(LOSSES, [0, 1, 2], before=0, decay=0.9, margin=1.0) == 1
    assert leader(LOSSES, [0, 1, 2], before=0, decay=0.9, margin=100.0) == 0
    assert leader({12: LOSSES[12]}, [0, 1, 2], before=0, decay=0.9, margin=1.0) == 0  # one period has no spread
    assert leader({}, [0, 1], before=1, decay=0.9, margin=1.0) == 1
    assert leader(LOSSES, [1, 2], before=0, decay=0.9, margin=1.0) == 1  # the one before is gone


def test_losers_are_worse_in_enough_periods() -> None:
    assert losers(LOSSES, [0, 1, 2], ahead=1, decay=0.9, margin=2.0, least=2) == {0, 2}
    assert losers(LOSSES, [0, 1, 2], ahead=1, decay=0.9, margin=2.0, least=3) == {0}
    assert losers(LOSSES, [0, 1, 2], ahead=1, decay=0.9, margin=100.0, least=2) == set()
