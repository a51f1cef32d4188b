"""Rows that come twice are found where something says that they do, and equal rows that are no mistake are kept."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from asmg_pl.convert import Settings, convert
from asmg_pl.data.stream import StreamWriter, open_stream
from asmg_pl.errors import DataError

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
    with pytest.raises(DataError, match=r"has 60 of the 60 rows of this time already, as that of user \d and item 'it"):
        convert([path], stream, settings, append=True)
    with pytest.raises(DataError, match="has all 60 already"):
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
    with pytest.raises(DataError, match=f"has {overlap} of the {overlap} rows of this time already"):
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
        convert([tmp_path / "1.csv"], tmp_path / "s", settings, append=True)


def test_rows_with_other_context_features_are_refused_as_such(tmp_path: Path) -> None:
    rows = clicks(moments=1).with_columns(hour=pl.lit(3))
    StreamWriter(tmp_path / "s").append(rows.select("hour", user="who", item="what", label="liked", time="when"))
    with pytest.raises(DataError, match=r"has the context features \['hour'\], these rows have \['device'\]"):
        convert([written(rows, tmp_path / "1.csv")], tmp_path / "s", LABELLED, append=True)
    with pytest.raises(DataError, match="has 60 of the 60"):
        convert([tmp_path / "1.csv"], tmp_path / "s", replace(LABELLED, context=("hour",)), append=True)


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
