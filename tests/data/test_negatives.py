"""Sampled negatives: never an item that the user knows or that is yet to come, fair draws, always the same ones."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asmg_pl.data import Batch, InteractionLog
from asmg_pl.data.interactions import Interactions
from asmg_pl.data.negatives import Candidates, Fresh, Rule, add_negatives, beside
from asmg_pl.errors import ConfigError
from asmg_pl.randomness.chance import by_number, in_sequence

RULES: list[Rule] = ["uniform", "popularity"]
Row = tuple[int, int, int, int]


def frame(rows: list[Row]) -> pl.DataFrame:
    schema = {"user": pl.Int64, "item": pl.Int64, "label": pl.UInt8, "time": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def known(rows: list[Row], user: int, time: int) -> set[int]:
    return {i for u, i, _, t in rows if u == user and t <= time}


some_rows = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(0, 1), st.integers(0, 6)), min_size=1, max_size=40
)


def free(rows: list[Row], number: int, candidates: Candidates = "seen") -> set[int]:
    """What can be drawn beside the row with a number, of rows by time."""
    user, _, _, time = rows[number]
    return {row[1] for row in (rows[: number + 1] if candidates == "seen" else rows)} - known(rows, user, time)


ways: st.SearchStrategy[Candidates] = st.sampled_from(["seen", "whole_stream"])


@settings(max_examples=60, deadline=None)
@given(some_rows, st.integers(1, 3), st.sampled_from(RULES), st.integers(0, 5), ways)
def test_negatives_stand_after_their_positive_and_are_never_items_that_the_user_knows(
    rows: list[Row], per_positive: int, rule: Rule, seed: int, candidates: Candidates
) -> None:
    found = iter(add_negatives(frame(rows), per_positive, rule, seed, candidates=candidates).rows())
    rows = sorted(rows, key=lambda row: row[3])
    for number, (user, item, label, time) in enumerate(rows):
        assert next(found) == (user, item, label, time)
        can_be = free(rows, number, candidates)
        for _ in range(per_positive if label and can_be else 0):
            negative = next(found)
            assert negative[0] == user
            assert negative[1] in can_be
            assert negative[2:] == (0, time)
    assert next(found, None) is None


@settings(max_examples=40, deadline=None)
@given(some_rows, some_rows, st.sampled_from(RULES), ways)
def test_items_known_from_the_past_are_not_drawn_but_those_of_others_are(
    past: list[Row], rows: list[Row], rule: Rule, candidates: Candidates
) -> None:
    later = [(user, item, label, time + 10) for user, item, label, time in rows]
    found = add_negatives(frame(later), 2, rule, 0, frame(past).select("user", "item", "time"), candidates)
    every = sorted(past, key=lambda row: row[3]) + sorted(later, key=lambda row: row[3])
    can_be = [free(every, number, candidates) for number in range(len(past), len(every)) if every[number][2]]
    assert (found["label"] == 0).sum() == sum(not row[2] for row in later) + 2 * sum(map(bool, can_be))
    items = {row[1] for row in past + later}
    for user, item, label, time in found.rows():
        assert label or (user, item, 0, time) in later or item in items - known(past + later, user, time)


@settings(max_examples=40, deadline=None)
@given(some_rows, st.integers(0, 7), st.integers(1, 3), st.sampled_from(RULES))
def test_drawn_in_two_goes_as_at_once(rows: list[Row], end: int, per_positive: int, rule: Rule) -> None:
    rows = sorted(((user, item, 1, time) for user, item, _, time in rows), key=lambda row: row[3])
    first, second = [row for row in rows if row[3] < end], [row for row in rows if row[3] >= end]
    past = frame(first).select("user", "item", "time")
    goes = [add_negatives(frame(first), per_positive, rule, 3)] if first else []
    goes += [add_negatives(frame(second), per_positive, rule, 3, past)] if second else []
    assert pl.concat(goes).equals(add_negatives(frame(rows), per_positive, rule, 3))


@pytest.mark.parametrize("rule", RULES)
def test_no_negative_is_the_first_that_is_seen_of_an_item(rule: Rule) -> None:
    draw = np.random.default_rng(4)
    rows = pl.DataFrame({"user": draw.integers(0, 30, 500), "item": draw.integers(0, 400, 500), "time": range(500)})
    found = add_negatives(rows.with_columns(label=1), 3, rule, 0)
    items = InteractionLog.from_frame(found)
    assert not bool(items.label[torch.from_numpy(found["item"].is_first_distinct().to_numpy())].eq(0).any())
    assert found.filter(label=1)["item"].unique(maintain_order=True).equals(found["item"].unique(maintain_order=True))


def chi_square(found: np.ndarray, expected: np.ndarray) -> float:
    return float(((found - expected) ** 2 / expected).sum())


def test_uniform_draws_every_item_alike() -> None:
    # Users 0 … 19,999 have one positive each, items 0 … 9 in turn; item 10 is known to all of them.
    rows = pl.DataFrame({"user": range(20_000)}).with_columns(item=pl.col("user") % 10, time=pl.lit(5), label=1)
    past = pl.DataFrame({"user": range(20_000), "item": [10] * 20_000, "time": [1] * 20_000})
    found = add_negatives(rows, 1, "uniform", 7, past).filter(label=0)["item"].to_numpy()
    counts = np.bincount(found, minlength=11)
    assert counts[10] == 0
    assert chi_square(counts[:10], np.full(10, 2000.0)) < 27.9  # 9 degrees of freedom, one in a thousand


def test_popularity_draws_items_by_their_share_of_earlier_rows() -> None:
    share = np.array([5, 3, 1, 1])
    past = pl.DataFrame({"user": np.arange(1000), "item": np.repeat(np.arange(4), share * 100), "time": [1] * 1000})
    # Item 4 appears at the same time as the rows, and item 5 later: neither is popular yet.
    rows = pl.DataFrame({"user": range(5000, 25_000), "item": [4] * 20_000, "time": [2] * 20_000, "label": 1})
    later = pl.DataFrame({"user": [1], "item": [5], "time": [3], "label": 1})
    found = add_negatives(pl.concat([rows, later]), 1, "popularity", 7, past).head(40_000).filter(label=0)["item"]
    counts = np.bincount(found.to_numpy(), minlength=6)
    assert counts[4:].tolist() == [0, 0]
    assert chi_square(counts[:4], share / 10 * 20_000) < 16.3  # 3 degrees of freedom, one in a thousand


@pytest.mark.slow
def test_what_redrawing_does_not_find_is_drawn_from_the_rest_alike() -> None:
    # One user knows all but 3 of 4000 items: 20 tries find one of these in 1.5 % of the rows.
    items, free = 4000, [17, 1000, 3999]
    item = torch.tensor([i for i in range(items) if i not in free])
    interactions = Interactions.of(torch.zeros_like(item), item, torch.zeros_like(item), items)
    zeros = torch.zeros(6000, dtype=torch.int64)
    for chance in (in_sequence(torch.Generator().manual_seed(3)), by_number(3, torch.arange(6000))):
        drawn = interactions.draw(zeros, zeros, zeros + items, "uniform", chance)
        counts = torch.bincount(drawn, minlength=items)
        assert counts.nonzero().flatten().tolist() == free
        # 2 degrees of freedom, one in a thousand
        assert chi_square(counts[free].numpy(), np.full(3, 2000.0)) < 13.8


def test_only_candidates_are_drawn() -> None:
    user, item, time = torch.tensor([[0, 0, 1, 1], [0, 1, 2, 3], [0, 0, 0, 5]])
    interactions = Interactions.of(user, item, time, 4)
    chance = in_sequence(torch.Generator().manual_seed(3))
    user = torch.tensor([0, 1]).repeat(200)
    time = torch.full_like(user, 9)
    for rule in RULES:
        found = interactions.draw(user, time, torch.full_like(user, 3), rule, chance)
        assert found[user == 0].unique().tolist() == [2]
        assert found[user == 1].unique().tolist() == [0, 1]
        fewer = interactions.draw(user, time, torch.full_like(user, 2), rule, chance)
        assert fewer[user == 0].unique().tolist() == [-1]
        of_its_own = interactions.draw(user, time, 3 - user, rule, chance)
        assert of_its_own[user == 1].unique().tolist() == [0, 1]


def test_numbers_of_draws_are_spread_evenly_and_depend_on_seed_try_and_number_alone() -> None:
    draws = torch.arange(100_000)
    found = by_number(5, draws)(draws, 0)
    assert chi_square(np.bincount((found * 50).long().numpy(), minlength=50), np.full(50, 2000.0)) < 85.4
    pairs = (found[:-1] * 8).long() * 8 + (found[1:] * 8).long()
    assert chi_square(np.bincount(pairs.numpy(), minlength=64), np.full(64, 99_999 / 64)) < 103.4
    assert torch.equal(found[70:80], by_number(5, draws + 70)(torch.arange(10), 0))
    assert not (found == by_number(6, draws)(draws, 0)).any()
    assert not (found == by_number(5, draws)(draws, 1)).any()


@pytest.mark.parametrize("rule", RULES)
def test_the_same_seed_draws_the_same_negatives(rule: Rule) -> None:
    draw = np.random.default_rng(0)
    rows = pl.DataFrame({"user": draw.integers(0, 9, 200), "item": draw.integers(0, 50, 200), "time": range(200)})
    rows = rows.with_columns(label=1)
    assert add_negatives(rows, 2, rule, 1).equals(add_negatives(rows, 2, rule, 1))
    assert not add_negatives(rows, 2, rule, 1).equals(add_negatives(rows, 2, rule, 2))


def test_names_and_other_columns_are_kept() -> None:
    rows = pl.DataFrame(
        {"user": ["ü", "b"], "item": ["x", "ÿ"], "label": [True, True], "time": [2, 1], "device": ["phone", "tv"]}
    )
    found = add_negatives(rows, 1, "uniform", 0)
    assert found.rows() == [
        ("b", "ÿ", 1, 1, "tv"),  # nothing else has been seen by then
        ("ü", "x", 1, 2, "phone"),
        ("ü", "ÿ", 0, 2, "phone"),
    ]


def test_drawn_items_stand_beside_their_positives() -> None:
    rows = torch.arange(3)
    batch = Batch(rows, rows + 10, rows[:, None] + 20, rows, torch.ones(3), torch.zeros(40, 2))
    found = beside(batch, torch.tensor([[30, 31], [-1, 32], [-1, -1]]))
    assert found.user.tolist() == [0, 0, 0, 1, 1, 2]
    assert found.item.tolist() == [10, 30, 31, 11, 32, 12]
    assert found.label.tolist() == [1, 0, 0, 1, 0, 1]
    assert found.history[:, 0].tolist() == [20, 20, 20, 21, 21, 22]
    assert found.categories is batch.categories


def test_fresh_negatives_are_never_items_that_the_user_knows() -> None:
    draw = np.random.default_rng(1)
    time = np.sort(draw.integers(0, 40, 300))
    rows = pl.DataFrame({"user": draw.integers(0, 9, 300), "item": draw.integers(0, 30, 300), "label": 1, "time": time})
    log = InteractionLog.from_frame(rows)
    fresh = Fresh(per_positive=3)
    index = fresh.index(log, torch.device("cpu"))
    found = fresh.draw(index, torch.arange(300), torch.Generator().manual_seed(0))
    table = list(zip(log.user.tolist(), log.item.tolist(), [1] * 300, log.time.tolist(), strict=True))
    for number, negatives in enumerate(found.tolist()):
        can_be = free(table, number)
        assert set(negatives) <= can_be if can_be else set(negatives) == {-1}


def test_fresh_negatives_are_for_streams_of_positives() -> None:
    log = InteractionLog.from_frame(frame([(0, 0, 1, 0), (0, 1, 0, 0)]))
    with pytest.raises(ConfigError, match="rows with label 0"):
        Fresh().index(log, torch.device("cpu"))
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        Fresh(per_positive=0)
