"""Categories that arrive after their items count from then on, and change nothing that came before."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import torch
from torch import Tensor

from asmg_pl.data import Batch, EqualRows, PeriodDataModule
from asmg_pl.data.mini_batches.feed import Feed
from asmg_pl.data.mini_batches.reading import Reading
from asmg_pl.data.sources import Stream
from asmg_pl.data.stream import StreamWriter, open_stream, read_names

PER_PART = 20
#: What is given with each part: items and their categories.
GIVEN: list[dict[int, list[str]]] = [
    {0: ["a"], 2: ["b"], 9: ["a"]},
    {1: ["c", "a"], 2: []},
    {},
    {0: ["b", "d"], 3: ["a"], 9: ["d"], 4: ["a", "b"]},
    {4: ["b", "a"]},
]


def rows(part: int) -> pl.DataFrame:
    """Items 0 to 4 in the first part, one more in each later one."""
    number = pl.DataFrame({"row": range(part * PER_PART, (part + 1) * PER_PART)})
    return number.select(user=pl.col("row") % 7, item=pl.col("row") % (5 + part), label=pl.col("row") % 2, time="row")


def appended(folder: Path, parts: int) -> Path:
    for part in range(parts):
        given = GIVEN[part]
        items = pl.DataFrame(
            {"item": list(given), "categories": list(given.values())},
            schema={"item": pl.Int64, "categories": pl.List(pl.String)},
        )
        StreamWriter(folder).append(rows(part), items)
    return folder


def known(folder: Path, table: Tensor) -> list[set[str]]:
    names = read_names(folder, "categories")
    return [{names[category] for category in row if category >= 0} for row in table.tolist()]


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return appended(tmp_path_factory.mktemp("grown") / "stream", 5)


EXPECTED = [
    [{"a"}, set(), {"b"}, set(), set()],
    [{"a"}, {"c", "a"}, {"b"}, set(), set()],
    [{"a"}, {"c", "a"}, {"b"}, set(), set()],
    [{"b", "d"}, {"c", "a"}, {"b"}, {"a"}, {"a", "b"}],
    [{"b", "d"}, {"c", "a"}, {"b"}, {"a"}, {"a", "b"}],
]


def test_each_row_has_the_categories_that_were_known_with_its_part(grown: Path) -> None:
    log = open_stream(grown)
    for row in range(100):
        table = log.as_of(row).categories
        assert table is not None
        assert known(grown, table)[:5] == EXPECTED[row // PER_PART]
    assert log.categories is not None
    assert known(grown, log.categories)[:5] == EXPECTED[-1]
    assert known(grown, log.categories)[5:] == [set(), set(), set(), set()]


def test_what_was_given_for_an_item_before_it_appeared_is_the_newest(tmp_path: Path) -> None:
    folder = appended(tmp_path, 5)
    StreamWriter(folder).append(rows(5), None)  # with which item 9 appears
    log = open_stream(folder)
    assert log.categories is not None
    assert known(folder, log.categories)[9] == {"d"}


def test_an_append_says_of_how_many_items_the_categories_changed(tmp_path: Path) -> None:
    StreamWriter(tmp_path).append(rows(0), pl.DataFrame({"item": [0, 1], "categories": [["a", "b"], ["c"]]}))
    again = pl.DataFrame({"item": [0, 1, 2, 8], "categories": [["b", "a"], ["c"], ["c"], ["c"]]})
    assert StreamWriter(tmp_path).append(rows(1), again) == 1  # neither another order nor an item that is to come


def test_where_nothing_changed_there_is_one_table(tmp_path: Path) -> None:
    items = pl.DataFrame({"item": [0, 1], "categories": [["a", "b"], ["c"]]})
    for part in range(3):
        StreamWriter(tmp_path).append(rows(part), items)
    log = open_stream(tmp_path)
    assert log.updates == ()
    assert log.as_of(0) is log


def test_a_back_test_sees_in_each_period_what_the_daily_job_saw(grown: Path, tmp_path: Path) -> None:
    whole = PeriodDataModule(Stream(), str(grown), EqualRows(PER_PART), batch_size=6)
    for day in range(1, 6):
        daily = PeriodDataModule(Stream(), str(appended(tmp_path / str(day), day)), EqualRows(PER_PART), batch_size=6)
        for reads in ((day,), tuple(range(1, day + 1))):
            for trains in (True, False):
                reading = Reading("update", day, reads, training=trains)
                daily.reading = whole.reading = reading
                for one, other in zip(daily.train_dataloader(), whole.train_dataloader(), strict=True):
                    assert isinstance(one, Batch)
                    assert isinstance(other, Batch)
                    assert torch.equal(one.item, other.item)
                    first, second = (known(grown, b.categories) for b in (one, other))  # type: ignore[arg-type]
                    assert first == second[: len(first)]
                    assert first[:5] == EXPECTED[day - 1]


def test_a_walk_goes_on_when_categories_have_arrived(grown: Path, tmp_path: Path) -> None:
    for day in range(1, 6):
        daily = PeriodDataModule(Stream(), str(appended(tmp_path / str(day), day)), EqualRows(PER_PART))
        later = PeriodDataModule(Stream(), str(grown), EqualRows(PER_PART))
        later.load_state_dict(daily.state_dict())
    for part in range(5):
        items = pl.DataFrame({"item": [part], "categories": [["b" if part == 3 else "a"]]})
        StreamWriter(tmp_path / "other").append(rows(part), items)
        StreamWriter(tmp_path / "one").append(rows(part), pl.DataFrame({"item": [part], "categories": [["a"]]}))
    one, changed = (open_stream(tmp_path / name) for name in ("one", "other"))
    assert one.fingerprint(60) == changed.fingerprint(60)
    assert one.fingerprint(61) != changed.fingerprint(61)


def test_wherever_mini_batches_are_gathered_they_have_the_same_categories(grown: Path) -> None:
    log = open_stream(grown)
    chosen = torch.arange(10, 70)
    for as_of in (10, 30, 65, None):
        feed = Feed(log, torch.device("cpu"), 3)
        ways = [
            feed.mini_batches(chosen, lambda rows: rows.split(7), as_of=as_of),
            feed.ahead(chosen, lambda rows: rows.split(7), as_of=as_of),
            feed.resident(chosen, lambda rows: rows.split(7), as_of=as_of),
            feed.resident(chosen, lambda rows: rows.split(7), reads=(1,), as_of=as_of),
        ]
        tables = [batch.categories for way in ways for batch in way]
        assert len({id(table) for table in tables}) == 1
        expected = EXPECTED[-1 if as_of is None else as_of // PER_PART]
        assert known(grown, tables[0])[:5] == expected  # type: ignore[arg-type]
