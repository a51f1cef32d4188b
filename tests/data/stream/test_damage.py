"""Damaged streams: whatever happened to a file, the values are right or one message names the file."""

from __future__ import annotations

import itertools
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from data.stream.test_writer import catalogue, random_rows

from asmg_pl.data.log import InteractionLog
from asmg_pl.data.stream import StreamWriter, open_stream, read_names
from asmg_pl.errors import DataError

CUTS = [0, 150, 151, 400]
NAMES = ("users", "items", "categories", "context-0", "context-1")


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stream of three parts; some categories arrive with the last one, some items have not appeared."""
    folder = tmp_path_factory.mktemp("damage") / "stream"
    rows = random_rows()
    for begin, end in itertools.pairwise(CUTS):
        given = catalogue() if end == 400 else catalogue()[5:12]
        StreamWriter(folder, carry=6).append(rows[begin:end], given, {"note.csv": b"a,b\n"})
    return folder


def values(folder: Path) -> list[Any]:
    """All that a walk reads of a stream, and what the next append makes of it."""
    log = open_stream(folder)
    found: list[Any] = [len(log), log.sizes, log.longest_history, log.fingerprint(len(log)), log.known(300)]
    found += [read_names(folder, name).to_list() for name in NAMES]
    found.append(log.first_from(torch.arange(41)).tolist())
    for row in (0, 399):
        found.append(plain(log.as_of(row), torch.arange(len(log))))
    later = random_rows(1, 50).with_columns(time=100)
    StreamWriter(folder, carry=6).append(later, catalogue())
    found.append(plain(open_stream(folder), torch.arange(400, 450)))
    return found


def plain(log: InteractionLog, rows: torch.Tensor) -> list[Any]:
    return [column.tolist() for column in log.batch(rows, 5) if isinstance(column, torch.Tensor)]


def flip(path: Path, draw: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(draw.choice([1, 1, 3])):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def cut(path: Path, draw: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: draw.randrange(path.stat().st_size)])


def overwrite(path: Path, draw: random.Random) -> None:
    content = bytearray(path.read_bytes())
    begin = draw.randrange(len(content))
    end = min(len(content), begin + 512)
    content[begin:end] = draw.choice([bytes(end - begin), draw.randbytes(end - begin)])
    path.write_bytes(content)


def delete(path: Path, draw: random.Random) -> None:
    path.unlink()


def swap(path: Path, draw: random.Random) -> None:
    other = draw.choice([p for p in sorted(path.parent.parent.rglob(f"*{path.suffix}")) if p.stat().st_size])
    content = other.read_bytes()
    other.write_bytes(path.read_bytes())
    path.write_bytes(content)


DAMAGES: list[Callable[[Path, random.Random], None]] = [flip, flip, cut, overwrite, delete, swap]


@pytest.mark.parametrize("seed", range(5))
def test_a_damaged_file_is_named_or_its_values_are_right(stream: Path, tmp_path: Path, seed: int) -> None:
    whole = values(shutil.copytree(stream, tmp_path / "whole"))
    draw = random.Random(seed)
    refused = 0
    for number in range(25):
        folder = shutil.copytree(stream, tmp_path / f"{number}")
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
        path, damage = draw.choice([*files, folder / "stream.json"]), draw.choice(DAMAGES)
        damage(path, draw)
        try:
            found = values(folder)
        except DataError as error:
            assert str(folder) in str(error)  # noqa: PT017
            refused += 1
        else:
            assert found == whole, (path, damage)
    assert refused > 5


HUGE = 10**30


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.update(rows=-1),
        lambda content: content.update(carry=HUGE),
        lambda content: content.update(carry=2**15),
        lambda content: content.update(carry="6"),
        lambda content: content.update(categories=None),
        lambda content: content.update(categories=2),
        lambda content: content.update(context=[1, 2]),
        lambda content: content.update(context={"device": -1, "hour": 24}),
        lambda content: content.update(context={"hour": 24, "device": 2}),
        lambda content: content.update(history=["positive"]),
        lambda content: content.update(history="all"),
        lambda content: content.update(parts={}),
        lambda content: content.update(parts=[]),
        lambda content: content.update(parts=content["parts"][:2]),
        lambda content: content.update(parts=[None] * 3),
        lambda content: content.update(index=5),
        lambda content: content.update(checksum=None),
        lambda content: content.update(format=["asmg stream"]),
        lambda content: content.update(version="1"),
        lambda content: content["parts"][1].update(rows=0),
        lambda content: content["parts"][1].update(rows=True),
        lambda content: content["parts"][1].update(rows=HUGE),
        lambda content: content["parts"][1].update(folder="../part-00001"),
        lambda content: content["parts"][2].update(last_time=HUGE),
        lambda content: content["parts"][2].update(last_time=float("nan")),
        lambda content: content["parts"][2].update(first_time=-5),
        lambda content: content["parts"][2].update(last_time=1000),
        lambda content: content["parts"][2].update(users=1),
        lambda content: content["parts"][2].update(users=10**6),
        lambda content: content["parts"][2].update(items=2**31),
        lambda content: content["parts"][2].update(entries=-1),
        lambda content: content["parts"][2].update(updates=1),
        lambda content: content["parts"][2].update(digest=""),
        lambda content: content["parts"][2].update(digest=["x"]),
        lambda content: content["parts"][2].update(digests="x"),
        lambda content: content["parts"][2].update(more=1),
        lambda content: content["parts"][0].pop("rows"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(
    stream: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    folder = shutil.copytree(stream, tmp_path / "stream")
    content = json.loads((folder / "stream.json").read_text())
    change(content)
    (folder / "stream.json").write_text(json.dumps(content))
    for use in (open_stream, lambda folder: StreamWriter(folder, carry=6)):
        with pytest.raises(DataError, match=r"stream\.json"):
            use(folder)


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"7", b"[" * 100_000, b'{"format": "\xff"}', b"\0" * 512])
def test_a_manifest_that_is_none_is_refused(stream: Path, tmp_path: Path, content: bytes) -> None:
    folder = shutil.copytree(stream, tmp_path / "stream")
    (folder / "stream.json").write_bytes(content)
    with pytest.raises(DataError, match=r"stream\.json does not describe a stream"):
        open_stream(folder)


def test_only_the_parts_that_are_used_are_read(stream: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(stream, tmp_path / "stream")
    flip(folder / "part-00002" / "sequence.npy", random.Random(0))
    log = open_stream(folder)
    assert len(log.batch(torch.arange(151), 5).user) == 151
    assert log.first_from(torch.tensor([0, 10**9])).tolist() == [0, 400]
    with pytest.raises(DataError, match=r"part-00002.sequence\.npy is damaged"):
        log.batch(torch.tensor([151]), 5)


def test_a_stream_without_digests_is_opened_and_goes_on(stream: Path, tmp_path: Path) -> None:
    """Streams of an earlier version of the program have none."""
    folder = tmp_path / "stream"
    rows = random_rows()
    StreamWriter(folder, carry=6).append(rows[:200], catalogue())
    content = json.loads((folder / "stream.json").read_text())
    del content["checksum"], content["index"], content["parts"][0]["digest"], content["parts"][0]["updates"]
    (folder / "stream.json").write_text(json.dumps(content))
    for path in folder.rglob("digests.json"):
        path.unlink()
    StreamWriter(folder, carry=6).append(rows[200:], catalogue())
    log, memory = open_stream(folder), InteractionLog.from_frame(rows, catalogue())
    assert torch.equal(log.batch(torch.arange(400), 5).history, memory.batch(torch.arange(400), 5).history)
    flip(folder / "part-00001" / "user.npy", random.Random(3))
    with pytest.raises(DataError, match=r"user\.npy"):
        open_stream(folder).batch(torch.arange(400), 5)
