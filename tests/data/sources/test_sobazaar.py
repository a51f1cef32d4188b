"""Sobazaar: what a row becomes, and what is refused."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from asmg_pl.data.negatives import Fresh
from asmg_pl.data.sources import Sobazaar
from asmg_pl.errors import ConfigError, DataError

FILE = "Sobazaar-hashID.csv.gz"
HEADER = "Action,ItemID,Timestamp,UserID"
ROWS = [
    "product_detail_clicked,Item_2,2014-08-31T23:59:59.900Z,User_b",
    "product_wanted,Item_1,2014-09-01T00:00:00.000Z,User_a",
    "purchase:buy_clicked,Item_3,2014-09-02T10:00:00.123Z,User_b",
    "pixel-init,Item_4,2014-09-02T10:00:00.456Z,User_b",
    "product_wanted,Item_5,2014-12-31T23:59:59.000Z,User_a",
    "product_wanted,Item_6,2015-01-01T00:00:00.000Z,User_a",
]


def folder(path: Path, rows: list[str], header: str = HEADER) -> Path:
    (path / FILE).write_bytes(gzip.compress("\n".join([header, *rows, ""]).encode()))
    return path


def test_every_action_is_a_positive_row_with_a_negative_after_it(tmp_path: Path) -> None:
    log = Sobazaar().read(folder(tmp_path, ROWS))
    assert log.label.tolist() == [1, 0] * 4
    begin = int(datetime(2014, 9, 1, tzinfo=UTC).timestamp())
    assert log.time.tolist()[::2] == [begin, begin + 34 * 3600, begin + 34 * 3600, begin + 122 * 24 * 3600 - 1]
    assert log.time.tolist()[1::2] == log.time.tolist()[::2]
    assert log.user.tolist()[1::2] == log.user.tolist()[::2]


def test_rows_before_the_first_day_are_in_histories_and_count_as_items(tmp_path: Path) -> None:
    log = Sobazaar(negatives=0).read(folder(tmp_path, ROWS))
    assert len(log) == 4
    assert log.sizes[:2] == (2, 6)
    batch = log.batch(torch.tensor([1]), history_size=3)
    assert batch.history_length.tolist() == [1]  # Item_2 of August
    assert batch.history[0, 0] == 0


def test_items_of_the_same_second_are_in_no_history_of_each_other(tmp_path: Path) -> None:
    log = Sobazaar(negatives=0).read(folder(tmp_path, ROWS))
    assert log.parts[0].history_length.tolist() == [0, 1, 1, 1]


def test_no_negative_is_an_item_that_the_user_had_met(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [f"x,Item_{random.integers(9)},2014-10-{1 + n // 20:02}T00:{n % 60:02}:00Z,User_{n % 3}" for n in range(200)]
    log = Sobazaar(negatives=2, seed=3).read(folder(tmp_path, rows))
    met: dict[int, set[int]] = {}
    user, item, label, time = (column.tolist() for column in (log.user, log.item, log.label, log.time))
    for u, i, positive in zip(user, item, label, strict=True):
        if positive:
            met.setdefault(u, set()).add(i)
    for row in np.flatnonzero(np.array(label) == 0):
        before = {item[n] for n in range(len(log)) if user[n] == user[row] and time[n] <= time[row] and label[n]}
        assert item[row] not in before


def test_fresh_negatives_are_no_items_from_before_the_first_day(tmp_path: Path) -> None:
    rows = [f"x,Item_{n},2014-08-0{1 + n % 9}T00:00:00Z,User_a" for n in range(9)]
    rows += [f"x,Item_{n},2014-09-01T00:00:0{n}Z,User_b" for n in (8, 9)]
    rows += ["x,Item_9,2014-09-02T00:00:00Z,User_a", "x,Item_8,2014-09-02T00:00:01Z,User_b"]
    log = Sobazaar(negatives=0).read(folder(tmp_path, rows))
    fresh = Fresh(per_positive=50)
    index = fresh.index(log, torch.device("cpu"))
    drawn = fresh.draw(index, torch.arange(len(log)), torch.Generator().manual_seed(0))
    assert drawn[2].unique().tolist() == [-1]  # User_a has met every item, all but one of them in August
    assert set(drawn[3].tolist()) == set(range(10)) - {log.item[0].item(), log.item[1].item()}


def test_the_unpacked_file_will_do(tmp_path: Path) -> None:
    (tmp_path / "Sobazaar-hashID.csv").write_text("\n".join([HEADER, *ROWS]))
    assert len(Sobazaar().read(tmp_path)) == 8


def test_other_counts_than_published_are_said(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"Sobazaar: the files have 6 positives instead of 842,660;"):
        Sobazaar(expected={"users": 2, "items": 6, "positives": 842_660}).read(folder(tmp_path, ROWS))


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (ROWS, "Action,ItemID,When,UserID", r"there is no column 'Timestamp'"),
        (ROWS, "Action,ItemID,ItemID,UserID", r"column 'ItemID' stands in the header 2 times"),
        ([*ROWS, "x,Item_1,yesterday,User_a"], HEADER, r":8: time 'yesterday' is not a date or time of ISO 8601"),
        ([*ROWS, "x,,2014-10-01T00:00:00Z,User_a"], HEADER, r":8: item '' is not an id"),
        (ROWS[:1], HEADER, r"has no row from 2014-09-01 to 2014-12-31"),
    ],
)
def test_what_is_wrong_with_the_file_is_named(tmp_path: Path, rows: list[str], header: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Sobazaar().read(folder(tmp_path, rows, header))


def test_a_file_that_is_cut_off_or_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        Sobazaar().read(tmp_path)
    path = folder(tmp_path, ROWS) / FILE
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="cut off or damaged"):
        Sobazaar().read(tmp_path)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="no day lies between"):
        Sobazaar(start="2014-12-31", end="2014-09-01")
    with pytest.raises(ConfigError, match="dates as in 2014-09-01"):
        Sobazaar(start="September")
    with pytest.raises(ConfigError, match="negatives must not be negative"):
        Sobazaar(negatives=-1)
    with pytest.raises(ConfigError, match=r"--data\.root"):
        Sobazaar().read(None)
