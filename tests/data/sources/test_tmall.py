"""Tmall: which clicks are kept, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from asmg_pl.data.sources import Tmall
from asmg_pl.errors import ConfigError, DataError

HEADER = "user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type"
Click = tuple[int, int, int, str, int]


def folder(path: Path, clicks: Iterable[Click], header: str = HEADER) -> Path:
    """Rows of user, item, category, day and action; some brands are missing, as they are in the data set."""
    lines = [f"{u},{i},{c},77,{'' if u % 2 else 5},{day},{action}" for u, i, c, day, action in clicks]
    (path / "user_log_format1.csv").write_text("\n".join([header, *lines, ""]))
    return path


def tmall(**options: Any) -> Tmall:
    return Tmall(**{"most_active_users": 100, "least_item_rows": 1, "negatives": 0} | options)


def day(number: int) -> int:
    return int(datetime(2014, 10, number, tzinfo=UTC).timestamp())


def test_clicks_of_the_month_are_kept_by_day(tmp_path: Path) -> None:
    clicks = [
        (1, 1, 1, "1031", 0),
        (1, 2, 1, "1001", 0),
        (1, 3, 1, "0930", 0),
        (1, 3, 1, "1101", 0),
        (1, 3, 1, "1005", 2),
    ]
    log = tmall().read(folder(tmp_path, clicks))
    assert log.time.tolist() == [day(1), day(31)]
    assert log.label.tolist() == [1, 1]
    assert tmall(month=9).read(tmp_path).time.tolist() == [int(datetime(2014, 9, 30, tzinfo=UTC).timestamp())]


def test_a_history_has_the_items_of_earlier_days_only(tmp_path: Path) -> None:
    clicks = [(1, 1, 1, "1001", 0), (1, 2, 1, "1002", 0), (1, 3, 1, "1002", 0), (1, 4, 1, "1003", 0)]
    assert tmall().read(folder(tmp_path, clicks)).parts[0].history_length.tolist() == [0, 1, 1, 3]


def test_users_with_most_rows_are_kept_and_then_items_with_enough(tmp_path: Path) -> None:
    clicks = [(user, item, 1, "1001", 0) for user, items in {1: 2, 2: 4, 3: 3}.items() for item in range(items)]
    log = tmall(most_active_users=2, least_item_rows=2).read(folder(tmp_path, clicks))
    assert log.sizes[:2] == (2, 3)  # user 1 is left out, and then item 3, which only user 2 has clicked
    assert len(log) == 6


def test_of_equally_active_users_the_first_are_kept(tmp_path: Path) -> None:
    clicks = [(user, item, 1, "1001", 0) for user in (8, 3, 5) for item in (user, user + 1)]
    log = tmall(most_active_users=2).read(folder(tmp_path, clicks))
    assert log.sizes[:2] == (2, 4)  # items 8, 9, 3, 4


def test_the_category_is_that_of_the_items_first_click(tmp_path: Path) -> None:
    clicks = [(1, 1, 30, "1002", 0), (1, 1, 20, "1001", 0), (1, 2, 30, "1001", 0)]
    log = tmall().read(folder(tmp_path, clicks))
    assert log.categories is not None
    assert log.sizes.categories == 2
    assert log.categories.tolist() == [[0], [1]]
    assert log.item.tolist() == [0, 1, 0]


def test_each_click_has_a_negative(tmp_path: Path) -> None:
    clicks = [(n % 4, n % 41, n % 7, f"10{1 + n // 5:02}", 0) for n in range(60)]
    log = tmall(negatives=1, candidates="whole_stream").read(folder(tmp_path, clicks))
    assert log.label[::2].all()
    assert int(log.label.sum()) == 60
    assert len(tmall(negatives=1).read(tmp_path)) < 120  # the first click has no other item that was seen before


def test_other_counts_than_published_are_said(tmp_path: Path) -> None:
    root = folder(tmp_path, [(1, 1, 30, "1002", 0)])
    with pytest.warns(
        UserWarning, match=r"Tmall: the files have 1 users instead of 49,986, 1 categories instead of 634;"
    ):
        Tmall(least_item_rows=1, negatives=0, expected={"users": 49_986, "categories": 634, "items": 1}).read(root)


@pytest.mark.parametrize(
    ("click", "message"),
    [
        ((1, 1, 1, "1032", 0), r":2: time '1032' is not a day of 2014 written as month and day"),
        ((1, 1, 1, "1001", 7), r":2: action '7' is not an action from 0 to 3"),
    ],
)
def test_malformed_rows_are_named(tmp_path: Path, click: Click, message: str) -> None:
    good = (2, 2, 2, "1001", 0)
    with pytest.raises(DataError, match=message):
        tmall().read(folder(tmp_path, [click, good]))


def test_a_file_of_another_kind_or_without_fitting_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        tmall().read(tmp_path)
    with pytest.raises(DataError, match="there is no column 'time_stamp'"):
        tmall().read(folder(tmp_path, [(1, 1, 1, "1001", 0)], HEADER.replace("time_stamp", "day")))
    with pytest.raises(DataError, match="has no click of month 10 on an item with 20 rows"):
        tmall(least_item_rows=20).read(folder(tmp_path, [(1, 1, 1, "1001", 0)]))


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="month must be from 1 to 12"):
        Tmall(month=13)
    with pytest.raises(ConfigError, match="most_active_users must be at least 1"):
        Tmall(most_active_users=0)
