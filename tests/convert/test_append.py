"""Appending newer tables: in pieces or at once, the stream is the same, and its meaning cannot change on the way."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from asmg_pl.convert import Settings, convert
from asmg_pl.data.stream import open_stream, read_names
from asmg_pl.errors import ConfigError, DataError

LABELLED = Settings(
    user="who",
    item="what",
    time="when",
    label="liked",
    item_id="id",
    categories="kinds",
    context=("device",),
    any_time=True,
)
POSITIVE = Settings(user="who", item="what", time="when", all_positive=True, any_time=True)

Row = tuple[str, str, int, int, str]


def table(rows: list[Row], path: Path) -> Path:
    pl.DataFrame(rows, schema=["who", "what", "liked", "when", "device"], orient="row").write_csv(path)
    return path


name = st.sampled_from(["a", "b", "ü", "7!"])
some_rows = st.lists(
    st.tuples(name, name, st.integers(0, 1), st.integers(0, 5), st.sampled_from(["", "tv"])), min_size=2, max_size=30
)


@pytest.mark.slow
@effort(max_examples=25, deadline=None)
@given(some_rows, st.data(), st.sampled_from(["positive", "all"]))
def test_in_two_pieces_as_at_once(rows: list[Row], data: st.DataObject, history: str) -> None:
    rows = sorted(rows, key=lambda row: row[3])
    cut = data.draw(st.integers(1, len(rows) - 1))
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        items = here / "items.csv"
        items.write_text("id,kinds\na,x|y\nü,z\n")
        settings = LABELLED if history == "positive" else replace(LABELLED, history="all")
        convert([table(rows, here / "all.csv")], here / "once", settings, items=items)
        convert([table(rows[:cut], here / "1.csv")], here / "twice", settings, items=items)
        later = table(rows[cut:], here / "2.csv")  # in which equal rows are no mistake
        convert([later], here / "twice", settings, items=items, append=True, repeated="keep")
        once, twice = open_stream(here / "once"), open_stream(here / "twice")
        assert once.sizes == twice.sizes
        every = torch.arange(len(rows))
        for one, other in zip(once.batch(every, 4)[:-1], twice.batch(every, 4)[:-1], strict=True):
            assert (one is None) == (other is None)
            assert one is None or other is None or torch.equal(one, other)


def given_(folder: Path, settings: Settings = POSITIVE) -> Path:
    rows = [("a", "x", 1, 1, ""), ("b", "y", 1, 2, ""), ("a", "y", 1, 3, "")]
    convert([table(rows, folder / "old.csv")], folder / "stream", settings)
    return folder / "stream"


def test_options_not_given_are_those_of_the_stream(tmp_path: Path) -> None:
    settings = replace(POSITIVE, negatives=2, seed=9, history="all", time_unit="s", context=("device",))
    stream = given_(tmp_path, settings)
    assert Settings.of({"negatives": None, "user": None}, stream) == settings
    assert Settings.of({"negatives": 2, "user": "person"}, stream) == replace(settings, user="person")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"negatives": 1}, "--negatives is 2 there, 1 here"),
        ({"history": "all", "seed": 2}, "--seed is 1234 there, 2 here, --history is positive there, all here"),
        ({"context": ["device"]}, "--context is none there, device here"),
        ({"carry": 7}, "--carry is 128 there, 7 here"),
        ({"label": "liked"}, "which rows are positive?"),
    ],
)
def test_what_rows_mean_cannot_change(tmp_path: Path, given: dict[str, object], words: str) -> None:
    stream = given_(tmp_path, replace(POSITIVE, negatives=2))
    with pytest.raises(ConfigError) as caught:
        Settings.of(given, stream)
    assert words in str(caught.value)


def test_another_column_may_hold_the_label(tmp_path: Path) -> None:
    stream = given_(tmp_path, Settings(user="who", item="what", time="when", label="liked", any_time=True))
    assert Settings.of({"label": "good"}, stream).label == "good"
    with pytest.raises(ConfigError, match="belong together"):
        Settings.of({"rating": "stars"}, stream)


def test_damaged_settings_are_refused(tmp_path: Path) -> None:
    stream = given_(tmp_path)
    (stream / "convert.json").write_text("{}")
    with pytest.raises(DataError, match=r"convert\.json is damaged"):
        Settings.of({}, stream)


def test_earlier_rows_are_refused_and_change_nothing(tmp_path: Path) -> None:
    stream = given_(tmp_path)
    before = {path: path.read_bytes() for path in stream.rglob("*") if path.is_file()}
    with pytest.raises(DataError, match="earlier"):
        convert([table([("a", "x", 1, 2, "")], tmp_path / "new.csv")], stream, POSITIVE, append=True)
    assert {path: path.read_bytes() for path in stream.rglob("*") if path.is_file()} == before


def test_numbers_are_text_where_the_stream_has_text(tmp_path: Path) -> None:
    stream = given_(tmp_path)
    done = convert([table([("7", "7", 1, 4, "")], tmp_path / "new.csv")], stream, POSITIVE, append=True)
    assert done.sizes[:2] == (3, 3)
    assert (done.rows, done.stream_rows) == (1, 4)


def test_text_is_refused_where_the_stream_has_numbers(tmp_path: Path) -> None:
    convert([table([("7", "7", 1, 4, "")], tmp_path / "old.csv")], tmp_path / "stream", POSITIVE)
    with pytest.raises(DataError, match=r"all user ids of the stream in .* are whole numbers, but these rows have 'x'"):
        convert([table([("x", "7", 1, 5, "")], tmp_path / "new.csv")], tmp_path / "stream", POSITIVE, append=True)
    with pytest.raises(DataError, match=r"all item ids .* numbers with a sign or zeros before them"):
        convert([table([("7", "07", 1, 5, "")], tmp_path / "new.csv")], tmp_path / "stream", POSITIVE, append=True)


def test_negatives_of_later_rows_know_the_past(tmp_path: Path) -> None:
    settings = replace(POSITIVE, negatives=1)
    old = [("a", item, 1, 1, "") for item in "uvwx"] + [("b", item, 1, 1, "") for item in "uvwxyz"]
    convert([table(old, tmp_path / "old.csv")], tmp_path / "stream", settings)
    new = [("a", "y", 1, time, "") for time in range(2, 30)]
    done = convert([table(new, tmp_path / "new.csv")], tmp_path / "stream", settings, append=True)
    log = open_stream(tmp_path / "stream")
    # User a has had u, v, w, x and y: all that is left is z.
    drawn = log.item[(log.time >= 2) & (log.label == 0)].unique()
    assert read_names(tmp_path / "stream", "items")[drawn.tolist()].to_list() == ["z"]
    assert (done.rows, done.without_negative) == (56, 0)


def test_quarantined_rows_are_added_to_the_list(tmp_path: Path) -> None:
    for number, append in ((1, False), (2, True)):
        rows = tmp_path / f"{number}.csv"
        rows.write_text(f"who,what,when\na,x,{number}\nb,,{number}\n")
        convert([rows], tmp_path / "stream", POSITIVE, append=append, max_bad_rows=1)
    listed = pl.read_csv(tmp_path / "stream" / "quarantine.csv")
    assert listed["text"].to_list() == ["b,,1", "b,,2"]


def test_the_same_options_and_rows_give_the_same_bytes(tmp_path: Path) -> None:
    rows = table([("a", "x", 1, 1, ""), ("b", "y", 1, 2, ""), ("c", "z", 1, 3, "")], tmp_path / "rows.csv")
    for out in ("one", "two"):
        convert([rows], tmp_path / out, replace(POSITIVE, negatives=1))
    files = {path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()}
    assert files == {path.relative_to(tmp_path / "two") for path in (tmp_path / "two").rglob("*") if path.is_file()}
    for path in files:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes(), path
    assert json.loads((tmp_path / "one" / "convert.json").read_text())["negatives"] == 1
