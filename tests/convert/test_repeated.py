"""Rows that come twice are found where something says that they do, and equal rows that are no mistake are kept."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from asmg_pl.convert import Settings, convert, in_stream
from asmg_pl.data.columns import Columns
from asmg_pl.data.stream import StreamWriter, open_stream
from asmg_pl.data.stream.manifest import Manifest, Part
from asmg_pl.data.stream.reader import open_part
from asmg_pl.data.tables.late import Treatment
from asmg_pl.errors import DataError, NothingNewError

LABELLED = Settings(user="who", item="what", time="when", any_time=True, label="liked", context=("device",))
POSITIVE = Settings(user="who", item="what", time="when", any_time=True, all_positive=True)


def clicks(count: int = 60, seed: int = 0, moments: int = 20) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "who": draw.integers(0, 9, count),
            "what": [f"item {n}" for n in draw.integers(0, 12, count)],
            "liked": draw.integers(0, 2, count),
            "when": np.sort(draw.integers(0, moments, count)) + 1000,
            "device": draw.choice(["tv", ""], count),
        }
    )


def written(rows: pl.DataFrame, path: Path) -> Path:
    rows.write_csv(path) if path.suffix != ".parquet" else rows.write_parquet(path)
    return path


def length(stream: Path) -> int:
    return len(open_stream(stream))


@pytest.mark.parametrize("settings", [LABELLED, POSITIVE, replace(POSITIVE, negatives=2)])
@pytest.mark.parametrize("again", ["1.csv", "2.csv", "2.csv.gz", "2.parquet"])
def test_a_file_that_was_appended_before_is_refused(tmp_path: Path, settings: Settings, again: str) -> None:
    rows, stream = clicks(moments=1), tmp_path / "s"  # dates without times: all rows are of the stream's last moment
    convert([written(rows, tmp_path / "1.csv")], stream, settings)
    had, path = length(stream), tmp_path / again
    if again.endswith(".gz"):
        path.write_bytes(gzip.compress((tmp_path / "1.csv").read_bytes()))
    else:
        written(rows.sample(fraction=1, shuffle=True, seed=1), path)
    by_row = r"ends at .*, and has 60 of the 60 rows up to then already, as that of user \d and item 'item \d+' at 1970"
    with pytest.raises(DataError, match=by_row):
        convert([path], stream, settings, append=True)
    with pytest.raises(NothingNewError, match="has all 60 already"):
        convert([path], stream, settings, append=True, repeated="drop")
    assert length(stream) == had
    done = convert([path], stream, settings, append=True, repeated="keep")
    assert done.rows == length(stream) - had >= 60


@pytest.mark.parametrize("overlap", [1, 4])
def test_a_file_that_begins_with_the_streams_last_rows_is_refused(tmp_path: Path, overlap: int) -> None:
    rows = clicks().with_columns(when=pl.max_horizontal("when", 1010).clip(1010, 1019))
    rows = rows.with_columns(when=pl.when(pl.int_range(60) < 36).then(1010).when(pl.int_range(60) < 40).then(1011))
    rows = rows.with_columns(pl.col("when").fill_null(1012))
    stream = tmp_path / "s"
    convert([written(rows[:40], tmp_path / "1.csv")], stream, LABELLED)
    second = written(rows[40 - overlap :], tmp_path / "2.csv")
    with pytest.raises(DataError, match=f"has {overlap} of the {overlap} rows up to then already"):
        convert([second], stream, LABELLED, append=True)
    done = convert([second], stream, LABELLED, append=True, repeated="drop")
    assert (done.repeated, done.rows, length(stream)) == (overlap, 20, 60)
    convert([written(rows, tmp_path / "all.csv")], tmp_path / "once", LABELLED)
    one, other = (open_stream(place).batch(torch.arange(60), 5) for place in (stream, tmp_path / "once"))
    assert torch.equal(one.history, other.history)


def test_rows_count_as_often_as_they_are_there(tmp_path: Path) -> None:
    row = clicks()[:1]
    convert([written(pl.concat([row] * 2), tmp_path / "1.csv")], tmp_path / "s", LABELLED)
    done = convert([written(pl.concat([row] * 5), tmp_path / "2.csv")], tmp_path / "s", LABELLED, append=True,
                   repeated="drop")  # fmt: skip
    assert (done.repeated, done.rows) == (2, 3)


@pytest.mark.parametrize("change", [{"who": 11}, {"what": "x"}, {"liked": 3}, {"device": "desk"}])
def test_other_rows_of_the_same_moment_are_no_repetition(tmp_path: Path, change: dict[str, object]) -> None:
    row = clicks()[:1]
    convert([written(row, tmp_path / "1.csv")], tmp_path / "s", LABELLED)
    change = change if "liked" not in change else {"liked": 1 - row["liked"][0]}
    other = row.with_columns(**{name: pl.lit(value) for name, value in change.items()})
    assert convert([written(other, tmp_path / "2.csv")], tmp_path / "s", LABELLED, append=True).rows == 1


def test_milliseconds_within_the_streams_last_second_are_compared_as_seconds(tmp_path: Path) -> None:
    settings = replace(POSITIVE, time_unit="ms")
    rows = clicks().with_columns(when=pl.int_range(60) * 400 + 1_600_000_000_000)
    convert([written(rows[:41], tmp_path / "1.csv")], tmp_path / "s", settings)
    with pytest.raises(DataError, match="has 1 of the 3 rows"):
        convert([written(rows[40:], tmp_path / "2.csv")], tmp_path / "s", settings, append=True)
    assert convert([written(rows[41:], tmp_path / "3.csv")], tmp_path / "s", settings, append=True).stream_rows == 60


def test_context_features_may_have_any_name(tmp_path: Path) -> None:
    names = ("file", "row", "nth")
    rows = clicks(moments=1).with_columns(pl.lit(f"{name}'s").alias(name) for name in names)
    settings = replace(LABELLED, context=names)
    convert([written(rows, tmp_path / "1.csv")], tmp_path / "s", settings)
    with pytest.raises(DataError, match="has 60 of the 60"):
        convert([written(rows, tmp_path / "2.parquet")], tmp_path / "s", settings, append=True)


def test_rows_with_other_context_features_are_refused_as_such(tmp_path: Path) -> None:
    rows = clicks(moments=1).with_columns(hour=pl.lit(3))
    StreamWriter(tmp_path / "s").append(rows.select("hour", user="who", item="what", label="liked", time="when"))
    with pytest.raises(DataError, match=r"has the context features \['hour'\], these rows have \['device'\]"):
        convert([written(rows, tmp_path / "1.csv")], tmp_path / "s", LABELLED, append=True)
    with pytest.raises(DataError, match="has 60 of the 60"):
        convert([tmp_path / "1.csv"], tmp_path / "s", replace(LABELLED, context=("hour",)), append=True)


def days(first: int, last: int) -> pl.DataFrame:
    """Thirty distinct clicks of each day, in the order of time."""
    each = [clicks(30, seed=day).with_columns(when=pl.int_range(30) * 60 + day * 86_400) for day in range(first, last)]
    return pl.concat(each)


@pytest.mark.parametrize("settings", [LABELLED, POSITIVE, replace(POSITIVE, negatives=1)])
@pytest.mark.parametrize("late", ["refuse", "drop", "quarantine", "next"])
def test_a_days_file_sent_again_is_seen_whole_or_in_part_and_under_any_name(
    tmp_path: Path, settings: Settings, late: Treatment
) -> None:
    stream, rows = tmp_path / "s", days(0, 3)
    for day in range(3):
        path = written(rows[30 * day : 30 * day + 30], tmp_path / f"day{day}.csv")
        convert([path], stream, settings, append=day > 0)
    had, options = length(stream), {"append": True, "late": late}
    sent_again = {
        "copy.csv": (rows[30:60], "has taken .*copy.csv before, as day1.csv"),
        "shuffled.csv": (rows[30:60].sample(fraction=1, shuffle=True, seed=2), "has 30 of the 30 rows up to then"),
        "part.parquet": (rows[35:41], "has 6 of the 6 rows up to then already"),
        "two days.csv": (rows[50:], "has 40 of the 40 rows up to then already"),
        "all.csv": (rows, "has 90 of the 90 rows up to then already"),
    }
    for name, (again, message) in sent_again.items():
        with pytest.raises(DataError, match=message):
            convert([written(again, tmp_path / name)], stream, settings, **options)  # type: ignore[arg-type]
        with pytest.raises(NothingNewError):
            convert([tmp_path / name], stream, settings, repeated="drop", **options)  # type: ignore[arg-type]
        assert length(stream) == had
    newer = written(pl.concat([rows[80:], days(3, 4)]), tmp_path / "overlap.csv")
    with pytest.raises(DataError, match="has 10 of the 10 rows up to then already"):
        convert([newer], stream, settings, **options)  # type: ignore[arg-type]
    done = convert([newer, tmp_path / "day2.csv"], stream, settings, repeated="drop", **options)  # type: ignore[arg-type]
    assert (done.passed_over, done.repeated, done.late, done.entered_late) == (1, 10, 0, 0)
    assert length(stream) == had + done.rows
    assert done.rows >= 30


def test_rows_that_entered_late_are_known_by_their_own_time_when_they_come_again(tmp_path: Path) -> None:
    stream, rows = tmp_path / "s", days(0, 2)
    convert([written(pl.concat([rows[:10], rows[20:]]), tmp_path / "1.csv")], stream, LABELLED)
    late = written(rows[10:20], tmp_path / "late.csv")
    assert convert([late], stream, LABELLED, append=True, late="next").entered_late == 10
    again = written(rows[12:18], tmp_path / "again.csv")
    with pytest.raises(DataError, match="has 6 of the 6 rows up to then already"):
        convert([again], stream, LABELLED, append=True, late="next")
    # A row at the time when the others entered is another row, though it has the user and item of one of them.
    other = rows[15:16].with_columns(when=pl.lit(rows["when"].max()))
    assert convert([written(other, tmp_path / "x.csv")], stream, LABELLED, append=True, late="next").rows == 1


def test_only_the_newest_rows_are_compared_and_the_others_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_stream, "MOST", 40)
    monkeypatch.setattr(in_stream, "_PIECE", 7)
    stream, rows = tmp_path / "s", days(0, 3)
    convert([written(rows[:60], tmp_path / "1.csv")], stream, LABELLED)
    convert([written(rows[60:], tmp_path / "2.csv")], stream, LABELLED, append=True)
    done = convert(
        [written(rows[40:60], tmp_path / "3.csv")], stream, LABELLED, append=True, late="next", repeated="drop"
    )
    assert (done.not_compared, done.repeated, done.rows) == (10, 10, 10)
    read: list[str] = []

    def opened(folder: Path, part: Part, manifest: Manifest) -> Columns:
        read.append(part.folder)
        return open_part(folder, part, manifest)

    monkeypatch.setattr(in_stream, "open_part", opened)
    last = written(rows[89:], tmp_path / "4.csv")
    with pytest.raises(DataError, match="has 1 of the 1 rows"):
        convert([last], stream, LABELLED, append=True)
    assert read == ["part-00002", "part-00001"], "older parts are not opened"


def test_files_without_rows_are_no_repetition(tmp_path: Path) -> None:
    stream, rows, nothing = tmp_path / "s", days(0, 2), tmp_path / "nothing.csv"
    written(rows.clear(), nothing)
    convert([nothing, written(rows[:30], tmp_path / "1.csv")], stream, LABELLED)
    done = convert([nothing, written(rows[30:], tmp_path / "2.csv")], stream, LABELLED, append=True)
    assert (done.rows, done.passed_over) == (30, 0)
    with pytest.raises(DataError, match="no row to convert: these files have no rows"):
        convert([nothing], stream, LABELLED, append=True)


def test_a_file_of_which_some_days_were_left_out_may_come_again_for_those(tmp_path: Path) -> None:
    stream, path = tmp_path / "s", written(days(0, 2), tmp_path / "two days.csv")
    assert convert([path], stream, LABELLED, end="1970-01-01").rows == 30
    assert convert([path], stream, LABELLED, append=True, start="1970-01-02").rows == 30
    assert convert([path], stream, LABELLED, append=True, start="1970-01-02", repeated="keep", late="next").rows == 30


# ---- within one conversion


def test_one_file_under_two_names_is_refused(tmp_path: Path) -> None:
    rows = clicks()
    files = [written(rows, tmp_path / "1.csv"), written(rows, tmp_path / "2.parquet")]
    with pytest.raises(DataError, match=r"2\.parquet repeats 60 rows of .*1\.csv"):
        convert(files, tmp_path / "s", LABELLED)
    assert not (tmp_path / "s").exists()
    done = convert(files, tmp_path / "dropped", LABELLED, repeated="drop")
    assert (done.rows, done.repeated) == (60, 60)
    assert convert(files, tmp_path / "kept", LABELLED, repeated="keep").rows == 120


def test_files_that_overlap_are_refused(tmp_path: Path) -> None:
    rows = clicks()
    begin = int((rows["when"] < rows["when"][30]).sum())
    files = [written(rows[:40], tmp_path / "1.csv"), written(rows[begin:], tmp_path / "2.csv")]
    with pytest.raises(DataError, match=rf"2\.csv repeats {40 - begin} rows of .*1\.csv"):
        convert(files, tmp_path / "s", LABELLED)
    done = convert(files, tmp_path / "s", LABELLED, repeated="drop")
    assert (done.rows, done.repeated) == (60, 40 - begin)


def test_equal_rows_of_one_file_and_some_of_files_that_share_the_time_are_no_mistake(tmp_path: Path) -> None:
    rows = clicks(2000, moments=1)  # parts of an export by user, by day: equal rows are in both, but few of all
    parts = [rows[:1000], rows[1000:]]
    assert parts[0].join(parts[1], on=rows.columns, how="semi").height
    few = [part.with_columns(device=pl.when(pl.int_range(1000) % 4 > 0).then(pl.format("d{}-{}", pl.lit(number),
           pl.int_range(1000))).otherwise("device")) for number, part in enumerate(parts)]  # fmt: skip
    files = [written(part, tmp_path / f"{number}.csv") for number, part in enumerate(few)]
    assert convert(files, tmp_path / "s", LABELLED).rows == 2000
    assert convert([written(pl.concat([rows, rows]), tmp_path / "x.csv")], tmp_path / "t", LABELLED).rows == 4000
