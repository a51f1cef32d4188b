"""Where periods end and begin."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import polars as pl
import pytest

from asmg_pl.data import EqualCounts, EqualRows, InteractionLog
from asmg_pl.errors import ConfigError


def log(rows: int) -> InteractionLog:
    columns = {"user": [1] * rows, "item": [1] * rows, "label": [0] * rows, "time": range(rows)}
    return InteractionLog.from_frame(pl.DataFrame(columns))


@pytest.mark.parametrize(
    ("rows", "count", "boundaries"),
    [
        (12, 3, [0, 4, 8, 12]),
        (14, 3, [0, 4, 8, 12]),
        (5, 5, [0, 1, 2, 3, 4, 5]),
        (9, 5, [0, 1, 2, 3, 4, 5]),
        (7, 1, [0, 7]),
    ],
)
def test_equal_counts_round_down_and_leave_the_remainder(rows: int, count: int, boundaries: list[int]) -> None:
    assert EqualCounts(count).cut(log(rows)) == boundaries


def test_there_are_31_periods_by_default() -> None:
    assert len(EqualCounts().cut(log(100))) == 32


def test_a_grown_stream_keeps_its_period_size_and_gets_more_periods() -> None:
    known = EqualCounts(3).cut(log(30))
    assert EqualCounts(3).cut(log(39), known) == known
    assert EqualCounts(3).cut(log(40), known) == [*known, 40]
    assert EqualCounts(3).cut(log(65), known) == [*known, 40, 50, 60]


@pytest.mark.parametrize("count", [1, 2, 7, 31])
def test_known_boundaries_outlive_another_count(count: int) -> None:
    known = EqualCounts(3).cut(log(30))
    assert EqualCounts(count).cut(log(50), known) == [*known, 40, 50]


@pytest.mark.parametrize(
    ("rows", "size", "boundaries"),
    [(12, 4, [0, 4, 8, 12]), (15, 4, [0, 4, 8, 12]), (4, 4, [0, 4]), (3, 1, [0, 1, 2, 3])],
)
def test_equal_rows_make_full_periods_only(rows: int, size: int, boundaries: list[int]) -> None:
    assert EqualRows(size).cut(log(rows)) == boundaries


def test_equal_rows_go_on_where_an_earlier_walk_ended() -> None:
    known = EqualRows(10).cut(log(25))
    assert EqualRows(10).cut(log(43), known) == [*known, 30, 40]


@pytest.mark.parametrize("size", [5, 15])
def test_known_boundaries_outlive_another_number_of_rows(size: int) -> None:
    known = EqualRows(10).cut(log(30))
    assert EqualRows(size).cut(log(60), known)[:4] == known


def test_periods_follow_each_other_without_gap_and_are_never_empty() -> None:
    for rows in range(5, 60):
        for boundaries in (EqualCounts(5).cut(log(rows)), EqualRows(5).cut(log(rows))):
            assert boundaries[0] == 0
            assert boundaries[-1] <= rows
            assert len({end - start for start, end in pairwise(boundaries)}) == 1
            assert boundaries[1] > 0


@pytest.mark.parametrize("value", [0, -1])
@pytest.mark.parametrize(("rule", "name"), [(EqualCounts, "count"), (EqualRows, "rows")])
def test_a_period_rule_needs_a_positive_number(
    rule: Callable[[int], EqualCounts | EqualRows], name: str, value: int
) -> None:
    with pytest.raises(ConfigError, match=rf"periods\.{name} must be at least 1, got {value}"):
        rule(value)


@pytest.mark.parametrize(("rule", "name"), [(EqualCounts(5), "count"), (EqualRows(5), "rows")])
def test_a_stream_too_short_for_its_periods_is_refused(rule: EqualCounts | EqualRows, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"4 rows .* 5.*: lower data\.periods\.{name}"):
        rule.cut(log(4))
