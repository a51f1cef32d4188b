"""Paired statistics against cases worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product

import numpy as np
import polars as pl
import pytest

from asmg_pl.metrics.paired import interval, lift

NAN = math.nan


def table(cells: Mapping[tuple[int, int], float | None], metric: str = "auc") -> pl.DataFrame:
    """Scores by (seed, period)."""
    rows = [{"seed": seed, "period": period, metric: score} for (seed, period), score in cells.items()]
    return pl.DataFrame(rows, schema={"seed": pl.Int64, "period": pl.Int64, metric: pl.Float64})


def test_a_constant_difference_has_an_interval_of_one_point() -> None:
    base = {(seed, period): 0.5 + seed / 10 + period / 100 for seed in (1, 2, 3) for period in (25, 26, 27)}
    found = lift(table({cell: score + 0.01 for cell, score in base.items()}), table(base))
    assert found == pytest.approx((0.01, 0.01, 0.01))
    assert found.distinct


def test_a_method_beside_itself_is_no_different() -> None:
    base = table({(1, 25): 0.5, (1, 26): 0.7})
    assert lift(base, base) == (0, 0, 0)
    assert not lift(base, base).distinct


def test_of_two_pairs_the_interval_is_from_one_to_the_other() -> None:
    # Both are drawn, or one of them twice with probability 1/4, which 2.5 % lies within.
    base = table({(1, 25): 0.5, (1, 26): 0.5})
    assert lift(table({(1, 25): 0.6, (1, 26): 0.4}), base) == pytest.approx((0, -0.1, 0.1))
    assert lift(table({(1, 25): 0.6, (1, 26): 0.52}), base) == pytest.approx((0.06, 0.02, 0.1))


def test_seeds_and_periods_are_drawn_whole() -> None:
    """All draws of three seeds and four periods, and the distribution of their means, which the bootstrap samples."""
    cells = np.random.default_rng(2).normal(size=(3, 4))
    means = [
        cells[np.ix_(seeds, periods)].mean()
        for seeds in product(range(3), repeat=3)
        for periods in product(range(4), repeat=4)
    ]
    low, high = np.percentile(means, [2.5, 97.5])
    assert interval(cells, draws=100_000) == pytest.approx((low, high), abs=0.02)


def test_a_difference_that_lies_with_a_seed_is_not_averaged_away_by_many_periods() -> None:
    # One seed gains, the other loses, in each of 50 periods: a new seed may do either.
    cells = np.array([[0.1] * 50, [-0.1] * 50])
    assert interval(cells) == pytest.approx((-0.1, 0.1))


def test_cells_that_either_lacks_count_for_neither() -> None:
    found = table({(1, 25): 0.6, (1, 26): NAN, (1, 27): 0.9, (2, 25): 0.6, (2, 28): None})
    base = table({(1, 25): 0.5, (1, 26): 0.5, (2, 25): 0.4, (2, 28): 0.1, (3, 25): 0.9})
    # Seed 1 gains 0.1 and seed 2 gains 0.2, in period 25, the only one with a score of both.
    assert lift(found, base) == pytest.approx((0.15, 0.1, 0.2))


def test_a_mean_is_over_the_cells_that_are_there() -> None:
    found = table({(1, 25): 0.6, (1, 26): 0.6, (2, 25): 0.9})
    base = table({(1, 25): 0.5, (1, 26): 0.5, (2, 25): 0.5, (2, 26): 0.5})
    assert lift(found, base).mean == pytest.approx(0.2)
    low, high = lift(found, base)[1:]
    assert (low, high) == pytest.approx((0.1, 0.4))  # one seed alone or the other


def test_one_pair_has_a_lift_and_no_interval() -> None:
    found = lift(table({(1, 25): 0.6}), table({(1, 25): 0.5}))
    assert found.mean == pytest.approx(0.1)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert not found.distinct


def test_without_a_common_cell_nothing_is_known() -> None:
    found = lift(table({(1, 25): 0.6}), table({(2, 25): 0.5, (1, 26): 0.5}))
    assert all(map(math.isnan, found))
    assert not found.distinct


def test_another_metric_is_compared_by_its_own_column() -> None:
    found = table({(1, 25): 0.6, (1, 26): 0.7}, "logloss")
    assert lift(found, table({(1, 25): 0.7, (1, 26): 0.8}, "logloss"), "logloss").mean == pytest.approx(-0.1)


def test_the_interval_of_many_cells_is_close_to_the_normal_one() -> None:
    """Independent cells of 40 seeds and one period: 1.96 standard errors to either side."""
    cells = np.random.default_rng(1).normal(0.2, 1, size=(400, 1))
    error = cells.std() / 20
    low, high = interval(cells)
    assert (low, high) == pytest.approx((cells.mean() - 1.96 * error, cells.mean() + 1.96 * error), abs=0.005)
