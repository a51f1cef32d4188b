"""The curve is paired: the drift of difficulty is not read as ageing, and a model that diverged is not left out."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from asmg_pl.data import Calendar, EqualCounts, Periods
from asmg_pl.experiments.freshness.cells import Cell, plan
from asmg_pl.experiments.freshness.curve import curve
from asmg_pl.experiments.freshness.sentence import delay, sentences, table

COST = 0.01


def cells(cost: float = COST, ages: tuple[int, ...] = (-1, 0, 1, 2, 3), **diverged: int) -> pl.DataFrame:
    """Periods that become easier, on which each age costs as much more."""
    noise = np.random.default_rng(0)
    rows = [
        {"period": period, "age": age, "auc": 0.6 + 0.01 * period - cost * age + noise.normal(0, 1e-4)}
        for period in range(20, 30)
        for age in ages
    ]
    table = pl.DataFrame(rows).with_columns(logloss=1 - pl.col("auc"), diverged=0)
    at = (pl.col("period") == 25) & (pl.col("age") == diverged.get("age", 99))
    return table.with_columns(diverged=pl.when(at).then(3).otherwise(0), auc=pl.when(~at).then("auc"))


def test_an_age_costs_its_difference_on_the_same_periods() -> None:
    found = curve(cells())
    for metric in ("auc", "logloss"):
        cost = found.at(3, metric)
        assert cost.mean == pytest.approx(2 * COST, abs=1e-4)
        assert 2 * COST - 3e-4 < cost.low <= cost.mean <= cost.high < 2 * COST + 3e-4
    assert [row["every_auc"] for row in found.rows if not row["seen"]] == pytest.approx([0, COST / 2, COST], abs=1e-4)
    assert found.scored_on == list(range(20, 30))


def test_periods_that_a_model_was_trained_on_are_seen_and_in_no_half_life() -> None:
    found, without = curve(cells()), curve(cells().filter(pl.col("age") > 0))
    assert [row["seen"] for row in found.rows] == [True, True, False, False, False]
    assert found.half_lives == without.half_lives
    assert found.at(-1, "auc").mean == pytest.approx(-COST, abs=1e-4)  # relative to age 0


def test_an_age_of_which_a_model_has_diverged_has_no_score_and_neither_what_builds_on_it() -> None:
    found = curve(cells(age=3))
    last = found.rows[-1]
    assert last["auc"] is None
    assert all(math.isnan(last[name]) for name in ("auc_cost", "logloss_cost", "every_auc"))
    assert found.at(2, "auc").mean == pytest.approx(COST, abs=1e-4)
    assert all(half.seen is None for half in found.half_lives.values())
    assert "age 3 has no score" in sentences(found, EqualCounts(31))[-1]


def test_a_period_without_an_auc_is_in_no_mean() -> None:
    whole = cells()
    one_class = whole.with_columns(auc=pl.when(pl.col("period") != 29).then("auc"))
    assert curve(one_class).at(2, "auc") == curve(whole.filter(pl.col("period") != 29)).at(2, "auc")


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        (COST, "a day's delay costs .0100 AUC here (95 % ."),
        (0.0, "a day's delay costs no AUC here that these periods can tell"),
        (-COST, "a day's delay gains .0100 AUC here: the older model is better"),
    ],
)
def test_the_sentence_says_what_a_delay_costs_and_no_more_than_is_known(cost: float, words: str) -> None:
    said = sentences(curve(cells(cost)), Calendar("1d"))
    assert said[0].startswith(words)
    assert "10 periods, 20 to 29" in said[0]
    assert ("no decay seen" in said[1]) == (cost == 0)


def test_a_single_period_decides_nothing() -> None:
    one = cells().filter(pl.col("period") == 20)
    said = sentences(curve(one), EqualCounts(31))
    assert "a single period decides nothing" in said[0]
    assert "too few scores" in said[1]


@pytest.mark.parametrize(
    ("periods", "words"),
    [
        (Calendar("1h"), "an hour's delay"),
        (Calendar("1mo"), "a month's delay"),
        (Calendar("30m"), "a delay of 30 minutes"),
        (Calendar("1d12h"), "a period's delay"),
        (EqualCounts(31), "a period's delay"),
    ],
)
def test_the_length_of_a_period_is_the_calendars(periods: Periods, words: str) -> None:
    assert delay(periods) == words


def test_the_table_has_a_line_per_age() -> None:
    printed = table(curve(cells()), EqualCounts(31))
    assert [line[:2] for line in printed.rows] == [["-1", "seen"], ["0", "seen"], ["1", ""], ["2", ""], ["3", ""]]
    assert all(len(line) == len(printed.header) for line in printed.rows)


def test_all_ages_are_planned_on_the_same_periods() -> None:
    planned = plan(models=[10, 11, 12, 14, 15, 16, 17], oldest=3, scorable=range(12, 19))
    by_age = {age: {cell.period for cell in planned if cell.age == age} for age in range(-2, 4)}
    assert by_age[1] == by_age[2] == by_age[3] == {13, 17, 18}
    assert by_age[0] == by_age[-1] == by_age[-2] == {14, 15}
    assert Cell(14, 13) not in planned
