"""Your own tables: what is read is what was written, and what cannot be read is refused before anything is written."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from asmg_pl.convert import Settings, convert
from asmg_pl.data.log import InteractionLog
from asmg_pl.data.negatives import add_negatives
from asmg_pl.data.stream import open_stream
from asmg_pl.errors import ConfigError, DataError

RATED = Settings(user="who", item="what", time="when", rating="stars", positive_from=4)
LABELLED = Settings(user="who", item="what", time="when", label="liked", any_time=True)
POSITIVE = Settings(user="who", item="what", time="when", all_positive=True, any_time=True)
HEADER = "who,what,stars,when"
SOUND = "7,31,2.5,1260759144\n8,1029,4,1260759179\n7,9,5,1260759100\n"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file, text or bytes, compressed if its name says so."""

    def to(content: str | bytes, name: str = "rows.csv") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        content = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return to


def same(stream: Path, rows: pl.DataFrame, items: pl.DataFrame | None = None, history: str = "positive") -> None:
    """The stream's rows, with their histories, are those of a log made of this table."""
    found, expected = open_stream(stream), InteractionLog.from_frame(rows, items, history == "positive")
    assert found.sizes == expected.sizes
    assert torch.equal(torch.as_tensor(found.time[:]), expected.time)
    every = torch.arange(len(expected))
    for one, other in zip(found.batch(every, 5)[:-1], expected.batch(every, 5)[:-1], strict=True):
        assert (one is None) == (other is None)
        assert one is None or other is None or torch.equal(one, other)


def refused(tmp_path: Path, *files: Path, settings: Settings = RATED, **options: Any) -> str:
    """The message of the error, after which there is no stream nor a part of one."""
    before = sorted(tmp_path.iterdir())
    with pytest.raises((DataError, ConfigError)) as caught:
        convert(files, tmp_path / "stream", settings, **options)
    assert sorted(tmp_path.iterdir()) == before
    return str(caught.value)


# ---- what can be read

RATINGS = pl.DataFrame(
    {
        "user": [7, 8, 7],
        "item": [31, 1029, 9],
        "label": [0, 1, 1],
        "time": [1260759144, 1260759179, 1260759100],
    }
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", f"{HEADER}\n{SOUND}"),
        ("rows.csv", f"{HEADER}\n{SOUND}".rstrip()),
        ("rows.csv", f"\ufeff{HEADER}\n{SOUND}\n\n".replace("\n", "\r\n")),
        ("rows.csv.gz", f"{HEADER}\n{SOUND}"),
        ("rows.csv", gzip.compress(f"{HEADER}\n{SOUND}".encode(), mtime=0)),
        ("rows.tsv", f"{HEADER}\n{SOUND}".replace(",", "\t")),
        ("rows.csv", '"who","what","a ""title""\nof two lines",stars,when\n7,31,"x,\ny",2.5,1260759144\n'
         '"8",1029,"",4,"1260759179"\n7,9,z,5,1260759100\n'),
        ("rows.csv", "when,more,stars,what,who\n1260759144,,2.5,31,7\n1260759179,,4,1029,8\n1260759100,,5,9,7\n"),
    ],
)  # fmt: skip
def test_text_in_every_dress(write: Write, tmp_path: Path, name: str, content: str | bytes) -> None:
    done = convert([write(content, name)], tmp_path / "stream", RATED)
    same(tmp_path / "stream", RATINGS)
    assert (done.rows, done.quarantined, done.first, done.last) == (3, 0, 1260759100, 1260759179)
    assert done.label_mean == pytest.approx(2 / 3)


def test_parquet_and_text_are_the_same(tmp_path: Path) -> None:
    time = pl.from_epoch(pl.col("time"), "s")
    table = RATINGS.rename({"user": "who", "item": "what"}).select("who", "what", liked=pl.col("label") == 1, when=time)
    table.write_parquet(tmp_path / "rows.parquet")
    convert([tmp_path / "rows.parquet"], tmp_path / "stream", replace(LABELLED, time_unit="iso"))
    same(tmp_path / "stream", RATINGS)


def test_a_folder_is_read_in_the_order_of_its_parts(write: Write, tmp_path: Path) -> None:
    rows = SOUND.splitlines()
    for part, row in zip((2, 1, 3), rows, strict=True):
        write(f"{HEADER}\n{row}\n", f"parts/part-{part}.csv")
    write(f"{HEADER}\n", "parts/part-4.csv")
    write("", "parts/_SUCCESS")
    convert([tmp_path / "parts"], tmp_path / "stream", RATED)
    same(tmp_path / "stream", RATINGS)


@pytest.mark.parametrize(
    ("unit", "times"),
    [
        ("ms", ["1260759144999", "1260759179000", "1260759100001"]),
        ("us", ["1260759144999999", "1260759179000000.0", "1260759100000001"]),
        ("ns", ["1260759144999999999", "1260759179000000000", "1260759100000000001"]),
        ("iso", ["2009-12-14T03:52:24+0100", "2009-12-14T02:52:59Z", "2009-12-14 02:51:40"]),
        ("iso", ["2009-12-14T03:52:24.5+01:00", "2009-12-14 02:52:59", "2009-12-14T02:51:40Z"]),
    ],
)
def test_times_become_seconds(write: Write, tmp_path: Path, unit: Any, times: list[str]) -> None:
    rows = [f"{row.rsplit(',', 1)[0]},{time}" for row, time in zip(SOUND.splitlines(), times, strict=True)]
    convert([write("\n".join([HEADER, *rows]))], tmp_path / "stream", replace(RATED, time_unit=unit))
    same(tmp_path / "stream", RATINGS)


def test_times_may_lack_seconds(write: Write, tmp_path: Path) -> None:
    times = ["2009-12-14T02:52", "2009-12-14 03:53+01:00", "2009-12-14 02:54Z", "2009-12-14"]
    write("who,what,liked,when\n" + "".join(f"1,1,1,{time}\n" for time in times))
    convert([tmp_path / "rows.csv"], tmp_path / "stream", replace(LABELLED, time_unit="iso"))
    day = 1260748800
    assert open_stream(tmp_path / "stream").time.tolist() == [day, day + 10320, day + 10380, day + 10440]


def test_ids_may_be_any_text(write: Write, tmp_path: Path) -> None:
    names = ["007", "7", "Zoë", "ユーザー", "7.0", "+7", "-0", "7", "a b"]
    write("who,what,liked,when\n" + "".join(f"{name},{name},1,{n}\n" for n, name in enumerate(names)))
    convert([tmp_path / "rows.csv"], tmp_path / "stream", replace(LABELLED, ids="as-written"))
    same(
        tmp_path / "stream",
        pl.DataFrame({"user": names, "item": names, "label": [1] * 9, "time": range(9)}),
    )


def test_a_late_id_that_is_no_number_leaves_the_others_what_they_were(write: Write, tmp_path: Path) -> None:
    first, second = (
        write("who,what,liked,when\n1,1,1,1\n2,1,1,2\n"),
        write("who,what,liked,when\nx,1,1,3\n1,1,1,4\n", "2.csv"),
    )
    assert convert([first, second], tmp_path / "stream", LABELLED).sizes[:2] == (3, 1)


def test_categories_of_an_item_may_stand_in_one_row_or_several(write: Write, tmp_path: Path) -> None:
    items = write(
        'id,title,kinds\n31,"A, b",x|y\n1029,"",\n31,A,z|x\n5,never seen,w\n"none",not an id here,v\n', "items.csv"
    )
    settings = replace(RATED, item_id="id", categories="kinds")
    convert([write(f"{HEADER}\n{SOUND}")], tmp_path / "stream", settings, items=items)
    same(tmp_path / "stream", RATINGS, pl.DataFrame({"item": [31], "categories": [["x", "y", "z"]]}))


def test_days_outside_are_left_out_and_counted(write: Write, tmp_path: Path) -> None:
    rows = ["2014-01-01 23:59:59", "2014-01-02 00:00:00", "2014-01-03 23:59:59.9", "2014-01-04 00:00:00"]
    write("who,what,liked,when\n" + "".join(f"1,1,1,{row}\n" for row in rows))
    settings = replace(LABELLED, time_unit="iso")
    done = convert([tmp_path / "rows.csv"], tmp_path / "stream", settings, start="2014-01-02", end="2014-01-03")
    assert (done.rows, done.left_out) == (2, 2)


def test_a_stream_has_histories_as_long_as_it_was_told(write: Write, tmp_path: Path) -> None:
    write("who,what,liked,when\n" + "".join(f"1,{n},1,{n}\n" for n in range(9)))
    convert([tmp_path / "rows.csv"], tmp_path / "stream", replace(LABELLED, carry=3))
    log = open_stream(tmp_path / "stream")
    assert log.batch(torch.tensor([8]), 3).history.tolist() == [[7, 6, 5]]
    with pytest.raises(ConfigError, match=r"history_size is 4, but the stream keeps 3 items .* a larger --carry"):
        log.check_history(4)


def test_negatives_are_drawn_once(write: Write, tmp_path: Path) -> None:
    rows = pl.DataFrame({"user": [1, 2, 1, 3], "item": [1, 2, 3, 1], "label": [1] * 4, "time": [1, 2, 3, 4]})
    write(rows.select(who="user", what="item", when="time").write_csv())
    for out in ("stream", "again"):
        done = convert([tmp_path / "rows.csv"], tmp_path / out, replace(POSITIVE, negatives=2, seed=5, history="all"))
        same(tmp_path / out, add_negatives(rows, 2, "uniform", 5), history="all")
    # The first row's user has met all that has been seen by then.
    assert (done.rows, done.without_negative, done.label_mean) == (10, 2, 4 / 10)


def test_no_negative_is_an_item_that_is_launched_later_in_files_of_interleaved_times_and_in_appends(
    write: Write, tmp_path: Path
) -> None:
    # An item a second is launched, and the users take turns; odd and even seconds stand in files of their own.
    parts = [[n for n in range(120) if (n >= 80) == appended and n % 2 == odd] for appended in (0, 1) for odd in (0, 1)]
    files = [
        write("who,what,when\n" + "".join(f"{n % 7},{n},{n}\n" for n in reversed(part)), f"{number}.csv")
        for number, part in enumerate(parts)
    ]
    settings = replace(POSITIVE, negatives=3)
    convert(files[:2], tmp_path / "stream", settings)
    convert(files[2:], tmp_path / "stream", settings, append=True)
    log = open_stream(tmp_path / "stream")
    launched = log.item.cummax(0).values
    sampled = log.label == 0
    assert int(sampled.sum()) > 300
    assert (log.item[sampled] < launched[sampled]).all(), "all were launched before the row; the newest is its positive"
    assert log.item[~sampled].tolist() == list(range(120)), "each item is new in its first positive row"
    convert(files, tmp_path / "whole", settings)
    assert torch.equal(open_stream(tmp_path / "whole").item, log.item)


def test_a_stream_without_label_0_is_told_from_one_whose_newest_rows_are_positive(write: Write, tmp_path: Path) -> None:
    positives = write("who,what,when\n1,1,1\n2,2,2\n", "positives.csv")
    assert convert([positives], tmp_path / "positives", POSITIVE).only_positives
    assert not convert([positives], tmp_path / "sampled", replace(POSITIVE, negatives=1)).only_positives
    labelled = [write(f"who,what,liked,when\n1,{n},{n},{n}\n", f"{n}.csv") for n in (0, 1)]
    assert not convert(labelled[:1], tmp_path / "labelled", LABELLED).only_positives
    assert not convert(labelled[1:], tmp_path / "labelled", LABELLED, append=True).only_positives
    assert convert(labelled[1:], tmp_path / "liked", LABELLED).only_positives


# ---- what is set aside


BAD = [
    ("7,31,2.5,yesterday", "time 'yesterday' is not a number of seconds since 1970, up to the year 2100"),
    ("7,31,2.5,-5", "time '-5' is not a number of seconds"),
    ("7,31,2.5,99999999999", "time '99999999999' is not a number of seconds"),
    ("7,31,good,1", "label 'good' is not a number"),
    ("7,31,nan,1", "label 'nan' is not a number"),
    ("7,31,,1", "label '' is not a number"),
    (",31,2.5,1", "user '' is not an id"),
    ("7,,2.5,1", "item '' is not an id"),
    ("7,31,2.5", "3 fields instead of 4"),
    ("7,31,2.5,1,1", "5 fields instead of 4"),
    ("7,3\0,2.5,1", "the row has NUL bytes"),
    ('7,3"1,2.5,1', 'a " stands where no field begins or ends'),
]


@pytest.mark.parametrize(("row", "reason"), BAD)
def test_a_malformed_row_stops_the_conversion(write: Write, tmp_path: Path, row: str, reason: str) -> None:
    path = write(f"{HEADER}\n{SOUND}{row}\n{SOUND}")
    message = refused(tmp_path, path)
    assert message.startswith(f"1 malformed row, and --max-bad-rows accepts 0: nothing was written\n{path}:5: {reason}")
    assert "--max-bad-rows 1" in message


def test_malformed_rows_within_the_limit_are_listed_and_left_out(write: Write, tmp_path: Path) -> None:
    path = write(f"{HEADER}\n{SOUND}" + "".join(f"{row}\n" for row, _ in BAD))
    assert "12 malformed rows, and --max-bad-rows accepts 11" in refused(tmp_path, path, max_bad_rows=11)
    assert "… and 7 more" in refused(tmp_path, path, max_bad_rows=11)
    done = convert([path], tmp_path / "stream", RATED, max_bad_rows=12)
    assert done.quarantined == 12
    same(tmp_path / "stream", RATINGS)
    listed = pl.read_csv(tmp_path / "stream" / "quarantine.csv")
    assert listed.columns == ["file", "line", "reason", "text"]
    assert listed["file"].unique().to_list() == [str(path)]
    assert listed["line"].to_list() == list(range(5, 17))
    assert listed["text"].to_list() == [row for row, _ in BAD]
    for found, (_, reason) in zip(listed["reason"], BAD, strict=True):
        assert found.startswith(reason)


@pytest.mark.parametrize("label", ["2", "0.5", "yes", "", "-1", "nan"])
def test_a_label_is_0_or_1(write: Write, tmp_path: Path, label: str) -> None:
    path = write(f"who,what,liked,when\n1,1,1,1\n1,1,true,1\n1,1,0.0,1\n1,1,{label},1\n")
    assert f"{path}:5: label '{label}' is not 0 or 1" in refused(tmp_path, path, settings=LABELLED)


def test_malformed_rows_of_the_items_count_too(write: Write, tmp_path: Path) -> None:
    rows, items = write(f"{HEADER}\n{SOUND}"), write("id,kinds\n31,x\n,y\n", "items.csv")
    settings = replace(RATED, item_id="id", categories="kinds")
    assert f"{items}:3: item '' is not an id" in refused(tmp_path, rows, settings=settings, items=items)


# ---- what is refused


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["is empty, without even a header"]),
        (
            "who,item,when\n1,1,1\n",
            ["no column 'what' (--item)", "no column 'stars' (--rating)", "the columns are 'who', 'item', 'when'"],
        ),
        (f"{HEADER}\n", ["no row to convert: these files have no rows"]),
        (f"{HEADER},when,x,x\n", ["column 'when' stands in the header 2 times", "column 'x' stands"]),
        (f"{HEADER}\n1,1,good,today\n", ["'stars' (--rating): none of", "'when' (--time): none of its first"]),
        (f"{HEADER}\n1,1,5,1260759144000\n", ["'when' (--time) reads like milliseconds", "give --time-unit ms"]),
        (f"{HEADER}\n1,1,5,2009-12-14\n", ["give --time-unit iso"]),
        (f"{HEADER}\n1,1,5,12/25/2009\n", ["none of its first", "(--time-unit also has ms, us, ns, iso)"]),
        ("who;what;stars;when\n", ["the header 'who;what;stars;when' is a single field: maybe --delimiter ';'"]),
        ("who,what,stars,when\r1,1,5,1\r", ["lines end in carriage returns alone"]),
        ("wh\0o,what,stars,when\n", ["the header has NUL bytes"]),
        (",".join(map(str, range(1000))), ["the columns are '0', '1', ", "'29', and 970 more"]),
    ],
)  # fmt: skip
def test_a_wrong_schema_is_told_at_once(write: Write, tmp_path: Path, content: str, words: list[str]) -> None:
    message = refused(tmp_path, write(content))
    for word in words:
        assert word in message


def test_all_wrong_columns_of_all_files_are_told(write: Write, tmp_path: Path) -> None:
    first, second, items = write("who,when\n"), write("what,stars\n", "b.csv"), write("name\n", "items.csv")
    settings = replace(RATED, time="who", item_id="id", categories="kinds")
    message = refused(tmp_path, first, second, settings=settings, items=items)
    assert "--user and --time both name column 'who'" in message
    for path, column in [(first, "what"), (first, "stars"), (second, "who"), (items, "id"), (items, "kinds")]:
        assert f"{path}: there is no column {column!r}" in message


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_seconds_are_not_taken_for_smaller_units(write: Write, tmp_path: Path, unit: Any) -> None:
    message = refused(tmp_path, write(f"{HEADER}\n{SOUND}"), settings=replace(RATED, time_unit=unit))
    assert "reads like seconds" in message
    assert "give --time-unit s" in message


def test_files_that_are_none_are_told_together(write: Write, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    odd, cut = write("x", "rows.dat"), write("PAR1", "cut.parquet")
    message = refused(tmp_path, tmp_path / "nowhere.csv", tmp_path / "empty", odd, cut)
    assert f"there is no file {tmp_path / 'nowhere.csv'}" in message
    assert f"folder {tmp_path / 'empty'} has no file whose name ends in" in message
    assert f"{odd}: the name of an input file ends in .csv, " in message
    assert "not in .dat; if it is text, give --delimiter" in message
    assert f"{cut} cannot be read as Parquet" in message


def test_a_truncated_archive_leaves_nothing_behind(write: Write, tmp_path: Path) -> None:
    path = write(f"{HEADER}\n{SOUND * 20_000}", "rows.csv.gz")
    path.write_bytes(path.read_bytes()[:-30])
    assert "cannot be unpacked" in refused(tmp_path, path)


@pytest.mark.parametrize("column", ["who", "when", "stars"])
def test_parquet_columns_of_unfit_types_are_refused(tmp_path: Path, column: str) -> None:
    table = pl.DataFrame({"who": [1], "what": [1], "stars": [5.0], "when": [1]})
    table.with_columns(pl.concat_list(column).alias(column)).write_parquet(tmp_path / "rows.parquet")
    assert f"column {column!r}" in refused(tmp_path, tmp_path / "rows.parquet")
    table.with_columns(who=pl.lit(1.5)).write_parquet(tmp_path / "rows.parquet")
    assert "has values of type Float64, which are not an id" in refused(tmp_path, tmp_path / "rows.parquet")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"start": "2030-01-01"}, "no row to convert: all 3 rows lie outside of --start and --end"),
        ({"start": "today"}, "--start 'today' is not a date"),
        ({"max_bad_rows": -1}, "--max-bad-rows must not be negative"),
        ({"append": True}, "there is no stream"),
        ({"items": "items.csv"}, "--items needs --item-id COL and --categories COL"),
        ({"start": "2014-01-02", "end": "2014-01-01"}, "--start 2014-01-02 is later than --end 2014-01-01"),
        ({"settings": replace(RATED, item_id="id", categories="kinds")}, "give --items FILE"),
    ],
)
def test_options_that_cannot_work_are_refused(
    write: Write, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    assert words in refused(tmp_path, write(f"{HEADER}\n{SOUND}"), **options)


@pytest.mark.parametrize("threshold", [float("nan"), float("inf")])
def test_a_threshold_is_a_rating(threshold: float) -> None:
    with pytest.raises(ConfigError, match=f"--positive-from must be a rating, got {threshold}"):
        replace(RATED, positive_from=threshold)


def test_a_file_given_twice_is_refused(write: Write, tmp_path: Path) -> None:
    path = write(f"{HEADER}\n{SOUND}", "parts/rows.csv")
    assert f"{path} is given twice" in refused(tmp_path, path.parent, path)


def test_a_stream_cannot_be_within_a_file(write: Write, tmp_path: Path) -> None:
    path = write(f"{HEADER}\n{SOUND}")
    with pytest.raises(ConfigError, match=r"rows\.csv is a file, in which --out .* cannot be"):
        convert([path], path / "new" / "stream", RATED)


def test_a_folder_that_exists_is_not_overwritten(write: Write, tmp_path: Path) -> None:
    (tmp_path / "stream").mkdir()
    assert re.search("stream exists: .*--append", refused(tmp_path, write(f"{HEADER}\n{SOUND}")))
