"""Late rows: refused, left out, listed, or taken with the time of the stream's end; never before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from asmg_pl.convert import Settings, convert
from asmg_pl.convert.in_stream import LATE
from asmg_pl.data.log import InteractionLog
from asmg_pl.data.stream import open_stream, read_names
from asmg_pl.data.stream.attached import attached
from asmg_pl.data.tables.late import Treatment
from asmg_pl.errors import DataError, NothingNewError

LABELLED = Settings(user="who", item="what", time="when", label="liked", any_time=True)
POSITIVE = Settings(user="who", item="what", time="when", all_positive=True, any_time=True)

Row = tuple[int, str, int, int]


def table(path: Path, rows: list[Row]) -> Path:
    pl.DataFrame(rows, schema=["who", "what", "liked", "when"], orient="row").write_csv(path)
    return path


FIRST: list[Row] = [(1, "a", 1, 100), (2, "b", 0, 200), (1, "c", 1, 300)]
BASE = 1_600_000_000
NEWER: list[Row] = [(1, "d", 1, 250), (1, "e", 1, 300), (2, "f", 1, 150), (2, "g", 1, 400)]


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    convert([table(tmp_path / "first.csv", FIRST)], tmp_path / "s", LABELLED)
    return tmp_path / "s"


def files_of(stream: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in stream.rglob("*") if path.is_file()}


def rows_of(stream: Path) -> list[tuple[int, str, int]]:
    log = open_stream(stream)
    users, items = read_names(stream, "users"), read_names(stream, "items")
    named = users.gather(log.user.numpy()).to_list(), items.gather(log.item.numpy()).to_list()
    return list(zip(*named, log.time.tolist(), strict=True))


def test_by_default_late_rows_are_refused_with_line_and_reason(stream: Path, tmp_path: Path) -> None:
    before = files_of(stream)
    with pytest.raises(DataError) as caught:
        convert([table(tmp_path / "new.csv", NEWER)], stream, LABELLED, append=True)
    assert "2 malformed rows, and --max-bad-rows accepts 0: nothing was written" in str(caught.value)
    assert "new.csv:2: its time is earlier than the stream's end, 1970-01-01 00:05:00 UTC (row: '1,d,1,250')" in str(
        caught.value
    )
    assert "new.csv:4: " in str(caught.value)
    for way in ("--max-bad-rows 2", "--late drop", "--late quarantine", "--late next"):
        assert way in str(caught.value)
    assert files_of(stream) == before
    done = convert([tmp_path / "new.csv"], stream, LABELLED, append=True, max_bad_rows=2)
    assert (done.rows, done.late, done.dropped, done.quarantined) == (2, 2, 0, 0)


def test_dropped_rows_are_counted_and_quarantined_ones_are_listed_too(stream: Path, tmp_path: Path) -> None:
    done = convert([table(tmp_path / "new.csv", NEWER)], stream, LABELLED, append=True, late="drop")
    assert (done.rows, done.late, done.dropped, done.stream_rows) == (2, 2, 2, 5)
    assert not (stream / "quarantine.csv").exists()
    more: list[Row] = [(5, "x", 1, 399), (5, "x", 1, 401)]
    done = convert([table(tmp_path / "more.csv", more)], stream, LABELLED, append=True, late="quarantine")
    assert (done.rows, done.late, done.dropped, done.stream_rows) == (1, 1, 0, 6)
    listed = pl.read_csv(stream / "quarantine.csv").rows()
    reason = "its time is earlier than the stream's end, 1970-01-01 00:06:40 UTC"
    assert listed == [(str(tmp_path / "more.csv"), 2, reason, "5,x,1,399")]


def test_rows_that_enter_late_have_the_time_of_the_streams_end_and_no_earlier_row_sees_them(
    stream: Path, tmp_path: Path
) -> None:
    before = open_stream(stream).batch(torch.arange(3), 5)
    done = convert([table(tmp_path / "new.csv", NEWER)], stream, LABELLED, append=True, late="next")
    assert (done.rows, done.late, done.entered_late, done.first) == (4, 0, 2, 300)
    late_first = [(2, "f", 300), (1, "d", 300), (1, "e", 300), (2, "g", 400)]
    assert rows_of(stream) == [(1, "a", 100), (2, "b", 200), (1, "c", 300), *late_first]
    log = open_stream(stream)
    for one, other in zip(before[:5], log.batch(torch.arange(3), 5)[:5], strict=True):
        assert one is not None
        assert other is not None
        assert torch.equal(one, other)
    rows = pl.DataFrame(rows_of(stream), schema=["user", "item", "time"], orient="row")
    memory = InteractionLog.from_frame(rows.with_columns(label=log.label.numpy()))
    assert torch.equal(log.batch(torch.arange(7), 5).history, memory.batch(torch.arange(7), 5).history)
    (kept,) = attached(stream, LATE)
    own = pl.read_parquet(BytesIO(kept))
    assert own["user", "item", "time", "entered"].rows() == [(2, "f", 150, 300), (1, "d", 250, 300)]


@pytest.mark.parametrize("late", ["refuse", "drop", "quarantine"])
def test_a_file_of_late_rows_alone_changes_nothing_and_says_so(stream: Path, tmp_path: Path, late: Treatment) -> None:
    before, path = files_of(stream), table(tmp_path / "old.csv", [(7, "x", 1, 10), (8, "y", 0, 299)])
    message = (
        "2 malformed rows" if late == "refuse" else "no row to convert: 2 rows are earlier than the end of the str"
    )
    with pytest.raises(DataError if late == "refuse" else NothingNewError, match=message) as refused:
        convert([path], stream, LABELLED, append=True, late=late)
    assert ("quarantine.csv gets rows along with others alone: keep the file" in str(refused.value)) == (
        late == "quarantine"
    )
    both = table(tmp_path / "both.csv", [(7, "x", 1, 10), *FIRST])
    with pytest.raises(DataError, match=r"1 malformed row" if late == "refuse" else r"1 rows .* has 3 more already"):
        convert([both], stream, LABELLED, append=True, late=late, repeated="drop")
    assert files_of(stream) == before
    done = convert([path], stream, LABELLED, append=True, late="next")
    assert (done.rows, done.entered_late, done.first, done.last) == (2, 2, 300, 300)


def test_late_rows_that_are_left_out_need_not_be_spelled_as_the_streams(stream: Path, tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("who,what,liked,when\nsomebody,a,1,100\n1,e,1,500\n")
    assert convert([path], stream, LABELLED, append=True, late="drop").rows == 1
    path.write_text("who,what,liked,when\nsomebody,a,1,100\n1,e,1,501\n")
    with pytest.raises(
        DataError, match=r"all user ids of the stream in .* are whole numbers, but these rows have 'some"
    ):
        convert([path], stream, LABELLED, append=True, late="next")


@pytest.mark.parametrize(
    ("unit", "write"),
    [
        ("ms", lambda second: str((BASE + second) * 1000 + 999)),
        ("iso", lambda second: f"2020-09-13T14:{26 + (second + 40) // 60}:{(second + 40) % 60:02}+02:00"),
    ],
)
def test_a_rows_own_second_says_whether_it_is_late_in_any_unit_and_zone(
    tmp_path: Path, unit: Any, write: Callable[[int], str]
) -> None:
    settings, stream = replace(LABELLED, time_unit=unit), tmp_path / "s"

    def given(name: str, seconds: list[int]) -> Path:
        rows = [f"{second},{second},1,{write(second)}" for second in seconds]
        (tmp_path / name).write_text("\n".join(["who,what,liked,when", *rows, ""]))
        return tmp_path / name

    convert([given("1.csv", [100, 200, 300])], stream, settings)
    done = convert([given("2.csv", [299, 300, 301])], stream, settings, append=True, late="drop", repeated="drop")
    assert (done.late, done.repeated, done.rows) == (1, 1, 1)
    done = convert([given("3.csv", [150, 302])], stream, settings, append=True, late="next")
    assert (done.entered_late, done.first, done.last) == (1, BASE + 301, BASE + 302)
    assert (open_stream(stream).time - BASE).tolist() == [100, 200, 300, 301, 301, 302]


def test_negatives_of_rows_that_enter_late_have_their_time(tmp_path: Path) -> None:
    settings, stream = replace(POSITIVE, negatives=1), tmp_path / "s"
    convert([table(tmp_path / "1.csv", FIRST)], stream, settings)
    done = convert([table(tmp_path / "2.csv", [(3, "a", 1, 50)])], stream, settings, append=True, late="next")
    assert (done.rows, done.entered_late) == (2, 1)
    log = open_stream(stream)
    assert log.time[-2:].tolist() == [300, 300]
    assert log.label[-2:].tolist() == [1, 0]
