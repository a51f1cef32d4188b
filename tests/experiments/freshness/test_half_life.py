"""The half-life: found where the loss bends, and never made up."""

from __future__ import annotations

import math

import numpy as np
import pytest

from asmg_pl.experiments.freshness.half_life import HalfLife, half_life

AGES = np.arange(8)


def losses(curve: np.ndarray, spread: float = 3e-4, periods: int = 20) -> np.ndarray:
    """Losses that scatter around a curve; the first age loses nothing."""
    noise = np.random.default_rng(4).normal(0, spread, (periods, len(curve)))
    noise[:, 0] = 0
    return curve + noise


@pytest.mark.parametrize("true", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("limit", [0.004, 0.4])
def test_a_loss_that_comes_to_an_end_has_its_half_life_whatever_its_size(true: float, limit: float) -> None:
    found = half_life(losses(limit * (1 - 2.0 ** (-AGES / true)), spread=limit / 30))
    assert found.seen == 1
    assert found.periods == pytest.approx(true, rel=0.15)
    assert found.low <= found.periods <= found.high


def test_a_straight_loss_has_no_half_life_within_the_ages() -> None:
    found = half_life(losses(0.01 * AGES))
    assert (found.seen, found.periods) == (1, math.inf)
    assert "more than 7 periods" in found.words(7)


def test_without_a_loss_there_is_none() -> None:
    found = half_life(losses(np.zeros(8)))
    assert found.seen == 0
    assert math.isnan(found.periods)
    assert found.words(7) == "no decay seen"


def test_older_models_that_gain_are_no_decay() -> None:
    found = half_life(losses(-0.01 * AGES))
    assert found.seen == -1
    assert found.words(7) == "older models score better"


@pytest.mark.parametrize("periods", [1, 4])
def test_a_few_periods_say_nothing(periods: int) -> None:
    assert half_life(losses(0.01 * AGES, periods=periods)).seen is None


def test_an_interval_that_reaches_beyond_the_ages_says_so() -> None:
    assert HalfLife(1, 3.0, 1.5, math.inf).words(7) == "half-life 3.0 periods (95 % 1.5 … more than 7)"
