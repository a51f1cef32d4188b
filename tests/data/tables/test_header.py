"""The first line: whether it names columns, and what to give where it does not."""

from __future__ import annotations

import polars as pl
import pytest

from asmg_pl.data.tables.columns import feature, identifier, label
from asmg_pl.data.tables.header import is_data, problems
from asmg_pl.data.tables.spelling import Spelling
from asmg_pl.data.tables.times import time

COLUMNS = [identifier("user", "--user", "user"), label("click"), time("time", "s"), feature("device")]
MEND = "name its columns"


@pytest.mark.parametrize(
    "line",
    [
        "128,1115,2006,fav,1511740350",
        "A0000000000194,B000000239,5.0,1372723200",
        "0,2014-04-07T10:52:08.815Z,214536604,3",
        "1,U22,11/11/2019 5:28:05 AM,N187,N1-0",
        "7,2010-10-19T23:55:27Z,30.23,-97.79,22945",
        "19,111,5,884796227",
        "0,55,43,13,,13,11,2,,66,dba26c66,aa35d467",
        "4,49bbd6c000,4bf58,Arts,40.7,-74.0,-240,Tue Apr 03 18:00:09 +0000 2012",
        "33,1433221347712",
    ],
)
def test_a_line_of_values_is_no_header(line: str) -> None:
    assert is_data(line.split(","))
    (found,) = problems(COLUMNS, line.split(","), lambda _: pl.String(), MEND)
    assert found.startswith("it has no header, its first line is '")
    assert found.endswith(": name its columns")


@pytest.mark.parametrize(
    "line", ["user,item,time", "0,1,2,3", "1,2,3", "id,2019,2020,2021", "x", "Unnamed: 0,user,item"]
)
def test_a_line_of_names_is_a_header(line: str) -> None:
    assert not is_data(line.split(","))


def test_a_row_is_not_lost_because_its_values_are_given_as_names() -> None:
    columns = [identifier("user", "--user", "128"), time("1511740350", "s")]
    assert "it has no header" in problems(columns, ["128", "1115", "1511740350"], lambda _: pl.String(), MEND)[0]
    assert not problems([time("t", "s")], ["t", "2014-01-31", "2014-02-28"], lambda _: pl.String(), MEND)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (["usr", "click", "time", "device"], "no column 'user' (--user): did you mean 'usr'?"),
        (["User", "click", "time", "device"], "did you mean 'User'?"),
        ([" user ", "click", "time", "device"], "did you mean ' user '?"),
        (["u", "click", "time", "device"], "no column 'user' (--user)"),
        (["a b c"], "its first line is a single field"),
    ],
)
def test_a_misspelt_column_is_told_with_the_likely_one(header: list[str], words: str) -> None:
    found = problems(COLUMNS, header, lambda _: pl.String(), MEND)
    assert any(words in problem for problem in found)
    assert found[-1].startswith("the columns are") or len(header) == 1


def test_many_equal_names_are_counted() -> None:
    header = [name for name in "abcdefgh" for _ in range(2)] + ["user", "click", "time", "device"]
    found = problems(COLUMNS, header, lambda _: pl.String(), MEND)
    assert found[0] == "column 'a' stands in the header 2 times"
    assert found[3:] == ["so do 5 other columns"]


UNFIT = {
    "user": [
        *(pl.List(pl.Int64), pl.Struct({"a": pl.Int64}), pl.Array(pl.Int8, 2), pl.Binary(), pl.Null(), pl.Duration()),
        *(pl.Float32(), pl.Float64(), pl.Decimal(10, 2), pl.Boolean(), pl.Date(), pl.Datetime(), pl.Time()),
    ],
    "click": [pl.List(pl.Int64), pl.Binary(), pl.Null(), pl.Duration()],
    "time": [pl.List(pl.Int64), pl.Binary(), pl.Null(), pl.Duration(), pl.Boolean(), pl.Time(), pl.Float32()],
    "device": [pl.List(pl.Int64), pl.Binary(), pl.Duration()],
}
FIT = {
    "user": [pl.Int8(), pl.UInt64(), pl.String(), pl.Categorical(), pl.Enum(["a"]), pl.Decimal(38, 0), pl.Int128()],
    "click": [pl.Boolean(), pl.Int64(), pl.Float64(), pl.String()],
    "time": [pl.Int64(), pl.Float64(), pl.Datetime(), pl.Date(), pl.String()],
    "device": [pl.Boolean(), pl.Null(), pl.Float64(), pl.Categorical(), pl.Date()],
}


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, kinds in UNFIT.items() for kind in kinds])
def test_a_type_that_cannot_be_is_told(name: str, kind: pl.DataType) -> None:
    types = {"user": pl.Int64(), "click": pl.Int64(), "time": pl.Int64(), "device": pl.String(), name: kind}
    (found,) = problems(COLUMNS, list(types), types.__getitem__)
    assert found.startswith(f"column {name!r} (--")
    assert f"has values of type {kind}, which are not " in found


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, kinds in FIT.items() for kind in kinds])
def test_a_type_that_can_be_is_accepted(name: str, kind: pl.DataType) -> None:
    types = {"user": pl.Int64(), "click": pl.Int64(), "time": pl.Int64(), "device": pl.String(), name: kind}
    assert not problems(COLUMNS, list(types), types.__getitem__)


@pytest.mark.parametrize("kind", [pl.Float64(), pl.Decimal(10, 2)])
def test_whole_numbers_with_a_point_are_ids_where_the_user_says_so(kind: pl.DataType) -> None:
    types = {"user": kind}
    assert "give --ids unified" in problems(COLUMNS[:1], ["user"], types.__getitem__)[0]
    unified = [identifier("user", "--user", "user", Spelling("unified"))]
    assert not problems(unified, ["user"], types.__getitem__)
