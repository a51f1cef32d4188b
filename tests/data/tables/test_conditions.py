"""Conditions: each form of the grammar against the rows that a person would name, and errors for everything else."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from asmg_pl.data.tables.conditions import Condition
from asmg_pl.data.tables.files import TextFile
from asmg_pl.data.tables.filtered import FilteredFile
from asmg_pl.data.tables.spelling import Spelling
from asmg_pl.data.tables.text import Dialect
from asmg_pl.errors import ConfigError

EVENTS = ["view", "add to cart", "", "view ", None, "View", "2", "2.0", "true", "10", "9", "2014-02-01", "2013-12-31"]


def kept(condition: str) -> list[str | None]:
    return pl.DataFrame({"event": EVENTS}).filter(Condition.parse(condition).holds(pl.col("event")))["event"].to_list()


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("event in (view, 'add to cart')", ["view", "add to cart", "view "]),
        ("event in (view)", ["view", "view "]),
        ('event IN ("view","2")', ["view", "view ", "2", "2.0"]),
        ("event == view", ["view", "view "]),
        ("event==02", ["2", "2.0"]),
        ("event == true", ["true"]),
        ("event == 1", ["true"]),
        ("event == ''", []),
        ("event is missing", ["", None]),
        ("event  is  not  missing", [event for event in EVENTS if event]),
        ("event != view", [event for event in EVENTS if event not in ("view", "view ")]),
        ("event not in (view, 2)", [e for e in EVENTS if e not in ("view", "view ", "2", "2.0")]),
        ("event < 10", ["2", "2.0", "9"]),
        ("event <= 9.0", ["2", "2.0", "9"]),
        ("event > 2", ["10", "9"]),
        ("event>=2", ["2", "2.0", "10", "9"]),
        ("event >= -1e3", ["2", "2.0", "10", "9"]),
        ("event < 2014-01-01", ["add to cart", "View", "2", "2.0", "10", "2013-12-31"][2:]),
    ],
)
def test_a_condition_keeps_the_rows_that_it_names(condition: str, expected: list[str | None]) -> None:
    assert kept(condition) == expected


def test_large_whole_numbers_are_not_confused() -> None:
    table = pl.DataFrame({"id": ["9007199254740992", "9007199254740993"]})
    for number in table["id"]:
        found = table.filter(Condition.parse(f"id == {number}").holds(pl.col("id")))
        assert found["id"].to_list() == [number]


@pytest.mark.parametrize(
    ("text", "column", "values"),
    [
        ("'the event' == \"it's\"", "the event", ("it's",)),
        ("impressions.item in (N1,N2)", "impressions.item", ("N1", "N2")),
        ("preis_€ > 0", "preis_€", ("0",)),
        ("in == in", "in", ("in",)),
    ],
)
def test_names_and_values_may_stand_in_quotes(text: str, column: str, values: tuple[str, ...]) -> None:
    found = Condition.parse(text)
    assert (found.column, found.values) == (column, values)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "event",
        "event = view",
        "event == ",
        "event == add to cart",
        "event == view and price > 3",
        "event in view",
        "event in ()",
        "event in (view,)",
        "event in (view",
        "event is null",
        "__import__('os').system('true')",
        "event == 'view",
        "price > 3 > 2",
    ],
)
def test_other_text_is_refused_with_the_grammar(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--where .* is no condition: write it as one of COLUMN in \(VALUE, VALUE\)"):
        Condition.parse(text)


def opened(path: Path, content: str, *conditions: str) -> FilteredFile:
    (path / "rows.csv").write_text("user,event,price\n" + content)
    file = TextFile(path / "rows.csv", Dialect(","))
    return FilteredFile(file, [Condition.parse(text) for text in conditions], Spelling("as-written", ("NA",)))


def test_conditions_are_joined_by_and_and_rows_keep_their_lines(tmp_path: Path) -> None:
    table = opened(tmp_path, "1,view,3\n2,buy,3\n3,view,1\n4,NA,9\n5,view,7\n", "event == view", "price > 2")
    for size in (8, 1 << 20):  # a reading in blocks is counted as a whole, and a second one anew
        found = [row for records, _ in table.read({"user": "user"}, size) for row in records.collect().rows()]
        assert found == [(2, "1,view,3", None, "1"), (6, "5,view,7", None, "5")]
        assert table.left_out == 3


def test_a_text_that_is_no_number_is_a_malformed_row_not_a_small_one(tmp_path: Path) -> None:
    table = opened(tmp_path, "1,view,3\n2,view,cheap\n3,view,\n4,view\n5,view,NA\n", "price > 2")
    ((records, _),) = table.read({"user": "user"})
    assert records.select("line", "fault", "user").collect().rows() == [
        (2, None, "1"),
        (3, "price 'cheap' is not a number, to be > 2 (--where)", None),
        (5, "2 fields instead of 3", None),
    ]
    assert table.left_out == 2
