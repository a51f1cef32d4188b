"""Whatever the rows and wherever they are cut: histories are those of a plain filter, and a crash loses nothing."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from data.stream.test_writer import assert_same_batches, catalogue, random_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from asmg_pl.data.log import InteractionLog
from asmg_pl.data.stream import StreamWriter, manifest, open_stream, writer
from asmg_pl.data.stream.manifest import Manifest
from asmg_pl.errors import DataError

rows_of = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.booleans(), st.integers(0, 2)), min_size=1, max_size=40
)


def frame(rows: list[tuple[int, int, bool, int]]) -> pl.DataFrame:
    """Rows of user, item, label, and how much later than the row before."""
    user, item, label, later = zip(*rows, strict=True)
    return pl.DataFrame({"user": user, "item": item, "label": map(int, label), "time": np.cumsum(later)})


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(rows_of, st.data(), st.sampled_from(["positive", "all"]), st.integers(1, 6))
def test_histories_are_those_of_a_filter_however_the_stream_was_cut(
    rows: list[tuple[int, int, bool, int]], data: st.DataObject, history: str, size: int
) -> None:
    table = frame(rows)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(table)), max_size=4)))
    with tempfile.TemporaryDirectory() as place:
        for begin, end in zip([0, *cuts], [*cuts, len(table)], strict=True):
            if begin < end:
                StreamWriter(Path(place), history, carry=6).append(table[begin:end])  # type: ignore[arg-type]
        log = open_stream(Path(place))
        assert_same_batches(log, InteractionLog.from_frame(table, positive_history=history == "positive"), size)
        batch = log.batch(torch.arange(len(table)), size)
        number = {item: place for place, item in enumerate(table["item"].unique(maintain_order=True))}
        for place_, row in enumerate(table.iter_rows(named=True)):
            past = table.filter((pl.col("user") == row["user"]) & (pl.col("time") < row["time"]))
            past = past.filter(label=1) if history == "positive" else past
            expected = [number[item] for item in past["item"].to_list()[::-1][:size]]
            assert batch.history[place_, : int(batch.history_length[place_])].tolist() == expected


@pytest.mark.parametrize("name", ["user.npy", "sequence.npy", "users.parquet"])
def test_an_append_that_breaks_off_leaves_the_stream_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    rows = random_rows()
    StreamWriter(tmp_path).append(rows[:200], catalogue())
    before = open_stream(tmp_path)

    def crash(self: Manifest, folder: Path) -> None:
        (folder / "part-00001" / name).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "write", crash)
        writer = StreamWriter(tmp_path)
        with pytest.raises(KeyboardInterrupt):
            writer.append(rows[200:], catalogue())
    assert_same_batches(open_stream(tmp_path), before)
    StreamWriter(tmp_path).append(rows[200:], catalogue())
    assert_same_batches(open_stream(tmp_path), InteractionLog.from_frame(rows, catalogue()))


@pytest.mark.parametrize("had", [0, 200])
def test_wherever_an_append_is_cut_off_the_stream_is_that_before_or_that_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, had: int
) -> None:
    rows = random_rows()
    start = tmp_path / "start"
    start.mkdir()
    if had:
        StreamWriter(start).append(rows[:had])
    for steps in itertools.count():  # the program ends at the first, second, … file that is made durable
        folder = shutil.copytree(start, tmp_path / str(steps))
        left = iter(range(steps))

        def cut_off(path: Path, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(writer, "sync", cut_off)
            patch.setattr(manifest, "sync", cut_off)
            try:
                StreamWriter(folder).append(rows[had:])
                break
            except KeyboardInterrupt:
                pass
        has = len(open_stream(folder)) if (folder / "stream.json").exists() else 0
        assert has in (had, len(rows))
        if has:
            assert_same_batches(open_stream(folder), InteractionLog.from_frame(rows[:has]))
        if has == had:
            StreamWriter(folder).append(rows[had:])
            assert_same_batches(open_stream(folder), InteractionLog.from_frame(rows))
    assert steps >= len(list((folder / "part-00000").iterdir()))


def test_a_full_disk_leaves_the_stream_as_it_was_and_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = random_rows()
    StreamWriter(tmp_path).append(rows[:200])
    before = sorted(tmp_path.rglob("*"))

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(writer, "sync", full)
        with pytest.raises(DataError, match=r"which is as it was .*No space left on device.*: make room"):
            StreamWriter(tmp_path).append(rows[200:])
    assert sorted(tmp_path.rglob("*")) == before
    StreamWriter(tmp_path).append(rows[200:])
    assert_same_batches(open_stream(tmp_path), InteractionLog.from_frame(rows))


def test_opening_maps_the_columns_and_reads_none_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    StreamWriter(tmp_path).append(random_rows())
    monkeypatch.setattr(np, "load", lambda *arguments, **options: pytest.fail("a column is read"))
    log = open_stream(tmp_path)
    assert len(log) == 400
    log.parts[0].user[0] = 99  # a change in memory is none in the file
    assert open_stream(tmp_path).user[0] == 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "stream.json").unlink(), "is no stream"),
        (lambda folder: (folder / "stream.json").write_text("{}"), "does not describe a stream"),
        (lambda folder: (folder / "stream.json").write_text("not json"), "does not describe a stream"),
        (
            lambda folder: _replace(folder / "stream.json", '"version": 1', '"version": 4'),
            "has version 4 of the format",
        ),
        (lambda folder: _replace(folder / "stream.json", '"asmg stream"', '"other"'), "its format is 'other'"),
        (lambda folder: _replace(folder / "stream.json", '"carry": 128', '"carry": -1'), "a count is below 0"),
        (lambda folder: _replace(folder / "stream.json", '"entries": ', '"entries": 1.5'), "no whole number"),
        (lambda folder: _replace(folder / "stream.json", '"history": "positive"', '"history": "none"'), "'none'"),
        (lambda folder: _replace(folder / "stream.json", '"first_time": ', '"first_time": 99'), "follow each other"),
        (lambda folder: _replace(folder / "stream.json", '"rows": 400', '"rows": 4'), "add up"),
        (lambda folder: _replace(folder / "stream.json", '"digests": []', '"digests": ["x"]'), "digest"),
        (lambda folder: (folder / "part-00000" / "item.npy").unlink(), r"item\.npy is missing"),
        (lambda folder: (folder / "part-00000" / "item.npy").write_bytes(b"x"), "no file of a stream"),
        (lambda folder: _cut(folder / "part-00000" / "item.npy"), "bytes instead of"),
        (lambda folder: np.save(folder / "part-00000" / "item.npy", np.zeros(400)), "float64"),
        (lambda folder: np.save(folder / "part-00000" / "item.npy", np.zeros(3, np.int32)), "expects 400 rows"),
        (lambda folder: shutil.rmtree(folder / "part-00000"), "is missing"),
    ],
)
def test_a_damaged_stream_is_one_message(tmp_path: Path, damage: object, message: str) -> None:
    StreamWriter(tmp_path).append(random_rows())
    damage(tmp_path)  # type: ignore[operator]
    with pytest.raises(DataError, match=message):
        open_stream(tmp_path)


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])
