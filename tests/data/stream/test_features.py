"""Streams with numbers, lists, weights and further labels: however they were written, they give the same batches."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from data.featured import FEATURES, featured_rows
from data.stream.test_writer import random_rows
from data.test_features import assert_same

from asmg_pl.data import InteractionLog
from asmg_pl.data.mini_batches.feed import Feed
from asmg_pl.data.stream import StreamWriter, compact, open_stream, read_names
from asmg_pl.errors import DataError

CUTS = [0, 1, 90, 91, 250, 400]


def written(folder: Path, cuts: list[int]) -> InteractionLog:
    for begin, end in pairwise(cuts):
        StreamWriter(folder, features=FEATURES).append(featured_rows()[begin:end])
    return open_stream(folder)


@pytest.fixture(scope="module")
def memory() -> InteractionLog:
    return InteractionLog.from_frame(featured_rows(), features=FEATURES)


@pytest.fixture(scope="module", params=["one part", "parts", "merged"])
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> InteractionLog:
    folder = tmp_path_factory.mktemp("featured") / "stream"
    found = written(folder, [0, 400] if request.param == "one part" else CUTS)
    if request.param == "merged":
        compact(folder, lambda _, contents: contents[-1], most_rows=200)
        found = open_stream(folder)
        assert len(found.parts) == 3
    return found


def test_a_stream_gives_the_batches_of_a_log_in_memory(log: InteractionLog, memory: InteractionLog) -> None:
    rows = torch.randperm(400, generator=torch.Generator().manual_seed(0))
    assert_same(log.batch(rows, 4), memory.batch(rows, 4))
    assert log.sizes == memory.sizes
    for count in (50, 300):
        assert log.sizes_by(count) == memory.sizes_by(count)
        assert log.moments(count).squares.tolist() == memory.moments(count).squares.tolist()
    for kind in ("list-0", "list-1"):
        assert log.names[kind]().to_list() == memory.names[kind]().to_list()


def test_however_it_was_written_a_stream_has_one_fingerprint(log: InteractionLog, tmp_path: Path) -> None:
    whole = written(tmp_path, [0, 400])
    assert [log.fingerprint(rows) for rows in (50, 300)] == [whole.fingerprint(rows) for rows in (50, 300)]


@pytest.mark.parametrize("way", ["resident", "ahead"])
def test_every_way_to_a_device_gives_the_same_batches(log: InteractionLog, memory: InteractionLog, way: str) -> None:
    rows, cut = torch.arange(40, 240), lambda rows: rows.split(17)
    for found, expected in zip(
        getattr(Feed(log, torch.device("cpu"), 4), way)(rows, cut),
        Feed(memory, torch.device("cpu"), 4).mini_batches(rows, cut),
        strict=True,
    ):
        assert_same(found, expected)


def test_only_streams_with_such_features_have_the_new_version(tmp_path: Path) -> None:
    StreamWriter(tmp_path / "plain").append(random_rows())
    plain = json.loads((tmp_path / "plain" / "stream.json").read_text())
    assert plain["version"] == 1
    assert not plain.keys() & {"features", "lists"}
    written(tmp_path / "featured", [0, 200, 400])
    featured = json.loads((tmp_path / "featured" / "stream.json").read_text())
    assert featured["version"] == 3
    assert featured["features"]["numbers"] == ["price", "age"]
    assert featured["lists"]["tags"] == len(read_names(tmp_path / "featured", "list-0"))


def test_appends_need_the_same_description(tmp_path: Path) -> None:
    written(tmp_path, [0, 200])
    with pytest.raises(DataError, match="was begun with features"):
        StreamWriter(tmp_path).append(random_rows())
    with pytest.raises(DataError, match="no column 'price'"):
        StreamWriter(tmp_path, features=FEATURES).append(featured_rows()[200:].drop("price"))


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["numbers.npy", "lists.npy", "weight.npy", "labels.npy", "list-0.parquet"])
def test_damage_is_named(tmp_path: Path, name: str) -> None:
    written(tmp_path, [0, 400])
    damaged(tmp_path / "part-00000" / name)
    log = open_stream(tmp_path)
    use = log.names["list-0"] if name.startswith("list-") else lambda: log.batch(torch.arange(5), 0)
    with pytest.raises(DataError, match=name):
        use()


@pytest.mark.parametrize(
    "change",
    [
        {"features": {"numbers": ["price", "price"]}},
        {"features": {"numbers": ["price"]}},
        {"features": {"other": 1}},
        {"lists": {"tags": -1, "interests": 3}},
        {"features": {}},
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    written(tmp_path, [0, 400])
    path = tmp_path / "stream.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=r"stream\.json does not describe a stream"):
        open_stream(tmp_path)
