"""Merged parts are the stream as it was, for readers, walks and the next append; and a merge happens whole or not."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from data.stream.test_writer import assert_same_batches, catalogue, random_rows
from killed import Killed, kill_at
from slowness import slow_but

from asmg_pl.data.stream import StreamWriter, compact, open_stream, read_names, reader, stream_lock
from asmg_pl.data.stream.attached import attached
from asmg_pl.data.stream.manifest import Manifest
from asmg_pl.errors import BusyError, DataError

CUTS = [0, 3, 4, 50, 51, 149, 150, 300, 400]
MORE = [("positive", 1, 8), ("positive", 100, 4), ("all", 60, 5), ("positive", 10**6, 1)]
NAMES = ("users", "items", "categories", "context-0", "context-1")


def joined(name: str, contents: Sequence[bytes]) -> bytes:
    return b"".join(contents)


def changing(part: int) -> pl.DataFrame:
    """A catalogue whose categories change from part to part, of more and more items and with more categories."""
    table = catalogue()[: 12 + 3 * part]
    more = [f"since {part // 2}"] if part % 3 else []
    return table.with_columns(categories=pl.Series([[*categories, *more] for categories in table["categories"]]))


def write(folder: Path, cuts: Sequence[int] = CUTS, **options: Any) -> Path:
    rows = random_rows(moments=30)
    for part, (begin, end) in enumerate(itertools.pairwise(cuts)):
        note = {"note.txt": f"{part},".encode()} if part % 2 else {}
        StreamWriter(folder, carry=6, **options).append(rows[begin:end], changing(part), note)
    return folder


@pytest.fixture(scope="module")
def written_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("once") / "s")


@pytest.fixture
def stream(written_once: Path, tmp_path: Path) -> Path:
    """A stream of eight parts; each brings other categories."""
    return shutil.copytree(written_once, tmp_path / "s")


def append(folder: Path, **options: Any) -> None:
    later = random_rows(1, 60, 5).with_columns(pl.col("time") + 29)  # some at the stream's last moment
    StreamWriter(folder, carry=6, **options).append(later, changing(20))


def facts(folder: Path) -> list[Any]:
    """All that is read of a stream."""
    log = open_stream(folder)
    found: list[Any] = [len(log), log.sizes, log.digests, log.first_from(torch.arange(40)).tolist()]
    for rows in {0, 1, 3, 4, 50, 51, 149, 150, 230, 301, len(log) - 1, len(log)} & set(range(len(log) + 1)):
        found += [log.fingerprint(rows), log.known(rows), log.sizes_by(rows)]
    for row in (0, 51, len(log) - 1):
        batch = log.as_of(row).batch(torch.arange(len(log)), 5)
        found.append([column.tolist() for column in batch if isinstance(column, torch.Tensor)])
    found += [read_names(folder, name).to_list() for name in NAMES]
    found += [b"".join(attached(folder, "note.txt")), [update.row for update in log.updates]]
    return found


@pytest.mark.parametrize(
    ("history", "most_rows", "parts"),
    slow_but([("positive", 60, 5), ("all", 10**6, 1)], [("positive", 60, 5), ("all", 10**6, 1), *MORE]),
)
def test_merged_parts_are_the_same_stream_also_for_the_next_append(
    tmp_path: Path, history: Any, most_rows: int, parts: int
) -> None:
    stream = write(tmp_path / "s", history=history)
    other = shutil.copytree(stream, tmp_path / "other")
    before = facts(stream)
    done = compact(stream, joined, most_rows=most_rows)
    assert (done.before, done.parts, done.rows) == (8, parts, 400)
    assert len(open_stream(stream).parts) == parts
    assert facts(stream) == before
    for folder in (stream, other):
        append(folder, history=history)
    assert facts(stream) == facts(other)
    assert_same_batches(open_stream(stream), open_stream(other))


def test_it_can_be_merged_and_appended_to_again_and_again(written_once: Path, tmp_path: Path) -> None:
    stream = tmp_path / "s"
    rows = random_rows(moments=30)
    for part, (begin, end) in enumerate(itertools.pairwise(CUTS)):
        note = {"note.txt": f"{part},".encode()} if part % 2 else {}
        StreamWriter(stream, carry=6).append(rows[begin:end], changing(part), note)
        if part % 3 == 2:
            compact(stream, joined, most_rows=160)
    assert facts(stream) == facts(written_once)
    assert Manifest.read(stream).generation == 2
    names = {part.folder for part in Manifest.read(stream).parts}
    files = {path.name for path in stream.iterdir()} - {".lock", "stream.json"}
    assert files == names | {f"index-{len(names) - 1:05}"}, "nothing is left of the old parts"


def test_it_takes_no_more_room_than_a_stream_that_was_written_at_once(stream: Path, tmp_path: Path) -> None:
    once = tmp_path / "once"
    StreamWriter(once, carry=6).append(random_rows(moments=30), changing(0))
    compact(stream, joined)
    (part,) = Manifest.read(stream).parts
    assert part.entries == Manifest.read(once).parts[0].entries, "items that each part repeated are there once"
    (columns,), (other,) = open_stream(stream).parts, open_stream(once).parts
    assert torch.equal(columns.sequence, other.sequence)


def test_a_part_that_is_not_merged_keeps_its_files(stream: Path) -> None:
    large = {path.name: path.stat().st_ino for path in (stream / "part-00004").iterdir()}  # 98 rows
    compact(stream, joined, most_rows=98)
    (kept,) = (part.folder for part in Manifest.read(stream).parts if part.rows == 98)
    assert {path.name: path.stat().st_ino for path in (stream / kept).iterdir()} == large


def test_where_files_have_no_second_names_they_are_copied(
    stream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = facts(stream)

    def link(path: Path, other: Path) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", link)
    compact(stream, joined, most_rows=98)
    assert facts(stream) == before


def test_who_has_the_old_parts_open_goes_on_with_them(stream: Path, tmp_path: Path) -> None:
    same = shutil.copytree(stream, tmp_path / "same")
    log, manifest, expected = open_stream(stream), Manifest.read(stream), open_stream(same)
    names = [read_names(stream, name).to_list() for name in NAMES]
    compact(stream, joined)
    append(stream)
    assert not (stream / "part-00000").exists()
    assert_same_batches(log, expected)
    assert log.fingerprint(400) == expected.fingerprint(400)
    assert [reader.names_of(stream, manifest, name).to_list() for name in NAMES] == names
    writer = StreamWriter(same, carry=6)  # opened before the merge
    compact(same, joined)
    writer.append(random_rows(1, 60, 5).with_columns(pl.col("time") + 29), changing(20))
    assert facts(same) == facts(stream)


def test_damage_is_seen_in_mapped_parts_too(stream: Path, tmp_path: Path) -> None:
    log = open_stream(stream)
    with (stream / "part-00002" / "item.npy").open("r+b") as file:
        file.seek(140)
        file.write(b"\xff")
    with pytest.raises(DataError, match=r"part-00002/item\.npy is damaged"):
        log.batch(torch.arange(400), 5)
    with pytest.raises(DataError, match=r"part-00002/item\.npy is damaged"):
        compact(stream, joined)
    assert len(Manifest.read(stream).parts) == 8


def test_a_reader_that_finds_parts_gone_reads_the_new_ones(
    stream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = open_stream(shutil.copytree(stream, tmp_path / "same"))
    real, opened = reader.open_part, []

    def slow(folder: Path, part: Any, manifest: Manifest) -> Any:
        opened.append(part.folder)
        if len(opened) == 3:
            compact(stream, joined, most_rows=60)
        return real(folder, part, manifest)

    monkeypatch.setattr(reader, "open_part", slow)
    assert_same_batches(open_stream(stream), expected)
    assert opened[:3] == ["part-00000", "part-00001", "part-00002"]
    assert opened[3] == "part-00000-1"


def test_when_no_more_files_can_be_mapped_the_message_names_the_mend(
    stream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, real, count = facts(stream), torch.from_file, itertools.count()

    def limited(*given: Any, **options: Any) -> Any:
        if next(count) >= 40:
            raise RuntimeError("unable to mmap 148 bytes from file <x>: Cannot allocate memory (12)")
        return real(*given, **options)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "from_file", limited)
        with pytest.raises(
            DataError, match=rf"Cannot allocate memory.* merge them with asmg convert --compact {stream}"
        ):
            open_stream(stream)
        count = itertools.count()
        assert compact(stream, joined).parts == 1, "merging does not map the old parts"
    assert facts(stream) == before


def test_a_stream_that_is_being_written_is_left_alone(stream: Path, tmp_path: Path) -> None:
    told = pytest.raises(BusyError, match=rf"is being written by another program, process {os.getpid()} on")
    with stream_lock(stream), ThreadPoolExecutor(1) as thread, told:
        thread.submit(compact, stream, joined).result()


def test_what_is_no_stream_or_has_no_room_is_told(
    stream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="is no stream"):
        compact(tmp_path, joined)
    assert list(tmp_path.iterdir()) == [stream]
    before = {path: path.read_bytes() for path in stream.rglob("*") if path.is_file()}

    def full(*given: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", full)
        with pytest.raises(DataError, match=r"could not be merged, and it is as it was .*No space left on device"):
            compact(stream, joined)
    assert {path: path.read_bytes() for path in stream.rglob("*") if path.is_file()} == before


def test_an_older_program_does_not_read_merged_parts(stream: Path, tmp_path: Path) -> None:
    assert '"version": 1' in (stream / "stream.json").read_text()
    compact(stream, joined)
    text = (stream / "stream.json").read_text()
    assert '"version": 2' in text
    (stream / "stream.json").write_text(text.replace('"version": 2', '"version": 1'))
    with pytest.raises(DataError, match="its version is not that of its parts"):
        open_stream(stream)
    (stream / "stream.json").write_text(text.replace('"version": 2', '"version": 3'))
    with pytest.raises(DataError, match="its version is not that of its parts"):
        open_stream(stream)
    (stream / "stream.json").write_text(text.replace('"version": 2', '"version": 4'))
    with pytest.raises(DataError, match="has version 4 of the format, this program reads 1 to 3"):
        open_stream(stream)


#: Functions after which the files are in another state.
STEPS = [(os, "fsync"), (os, "mkdir"), (os, "link"), (Path, "rename"), (Path, "replace"), (shutil, "rmtree")]


@pytest.mark.slow
def test_a_merge_that_is_killed_at_any_step_has_happened_or_has_not(tmp_path: Path) -> None:
    stream, merged = write(tmp_path / "s", [*CUTS[:5], 150]), {5, 2}
    before = facts(stream)
    whole = shutil.copytree(stream, tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        taken = kill_at(patch, 10**6, STEPS)
        compact(whole, joined, most_rows=98)
        steps = len(taken)
    assert steps > 20
    seen = set()
    for step in [*range(0, steps - 12, 6), *range(steps - 12, steps)]:
        folder = shutil.copytree(stream, tmp_path / str(step))
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, step, STEPS)
            with pytest.raises(Killed):
                compact(folder, joined, most_rows=98)
        parts = len(Manifest.read(folder).parts)
        assert parts in merged
        seen.add(parts)
        assert facts(folder) == before
        compact(folder, joined, most_rows=98)
        assert facts(folder) == before
        assert len(list(folder.iterdir())) == 2 + 2 + 1, "two parts, their index, the manifest and the lock"
    assert seen == merged
