"""Prefix examples, the weeks that they are in, and what a test week leaves out, on clicks made by hand."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import torch

from asmg_pl.errors import DataError
from asmg_pl.experiments.next_item.weeks import Weeks, cut, read

#: Week 0: session a clicks x y x, b clicks y. Week 1: b goes on with z x w y, c clicks x w, d clicks x y.
CLICKS = [("a", "x"), ("b", "y"), ("a", "y"), ("a", "x")]
CLICKS += [("b", "z"), ("c", "x"), ("b", "x"), ("d", "x"), ("c", "w"), ("b", "w"), ("d", "y"), ("b", "y")]


@pytest.fixture
def weeks() -> Weeks:
    return cut(pl.DataFrame(CLICKS, schema=["user", "item"], orient="row"), [4, 8])


def prefixes(sessions: object, examples: torch.Tensor, most: int = 50) -> set[tuple[tuple[int, ...], int]]:
    batch = sessions.batch(examples, most)  # type: ignore[attr-defined]
    return {
        (tuple(history[:length].flip(0).tolist()), item)
        for history, length, item in zip(batch.history, batch.history_length.tolist(), batch.item.tolist(), strict=True)
    }


def test_each_click_but_a_sessions_first_is_an_example_with_the_clicks_before_it(weeks: Weeks) -> None:
    x, y, z, w = 0, 1, 2, 3
    assert prefixes(weeks.sessions, weeks.examples(0)) == {((x,), y), ((x, y), x)}
    later = {((z,), x), ((z, x), w), ((z, x, w), y), ((x,), w), ((x,), y)}
    assert prefixes(weeks.sessions, weeks.examples(1)) == later, "a session begins anew in each week"
    assert (weeks.known(0), weeks.known(1)) == (2, 4)


def test_the_latest_clicks_are_read_where_a_history_is_too_long(weeks: Weeks) -> None:
    assert ((0, 3), 1) in prefixes(weeks.sessions, weeks.examples(1), most=2)


def test_a_test_week_has_no_click_on_an_item_that_no_earlier_week_has(weeks: Weeks) -> None:
    tested = weeks.tested(1)
    # Of b, z x w y, there is x y; of c, x w, there is a single click, which is no example.
    assert prefixes(tested, tested.examples()) == {((0,), 1)}
    assert len(tested.examples()) == 2


def test_a_tenth_is_held_out_and_the_rest_is_trained_on() -> None:
    clicks = pl.DataFrame({"user": [n % 10 for n in range(1010)], "item": [n % 7 for n in range(1010)]})
    made = cut(clicks, [510, 500])
    for week in (0, 1):
        trained, held_out = made.split(week, 0.1, seed=3)
        assert len(held_out) == round(0.1 * len(made.examples(week)))
        assert torch.equal(torch.cat([trained, held_out]).sort().values, made.examples(week))
    again = made.split(1, 0.1, seed=3)[1]
    assert torch.equal(held_out, again)
    assert not torch.equal(held_out, made.split(1, 0.1, seed=4)[1])


def test_clicks_after_a_week_change_nothing_in_it(weeks: Weeks) -> None:
    alone = cut(pl.DataFrame(CLICKS[:4], schema=["user", "item"], orient="row"), [4])
    assert torch.equal(alone.sessions.items, weeks.sessions.items[:4])
    assert alone.known(0) == weeks.known(0)


def test_a_table_with_fewer_clicks_than_the_weeks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text("session,item,time\n1,5,1400000000\n1,6,1400000001\n")
    with pytest.raises(DataError, match=r"has 2 clicks, and the 2 weeks of this study have 6"):
        read(tmp_path, [3, 3])


def test_a_folder_without_clicks_is_refused_with_the_option_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no clicks in .*diginetica, neither clicks\.csv\.gz .* with --data$"):
        read(tmp_path / "diginetica", [3, 3])
