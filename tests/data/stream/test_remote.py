"""A stream at an address: the same rows as on this machine, and only the parts whose rows are used are fetched."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
import torch
from buckets import S3
from torch import Tensor

from asmg_pl.convert import Settings, convert
from asmg_pl.data import EqualRows, PeriodDataModule
from asmg_pl.data.features import Features
from asmg_pl.data.sources import MovieLens, Stream
from asmg_pl.data.stream import StreamWriter, open_stream, open_stream_at, read_names
from asmg_pl.errors import BusyError, ConfigError, StorageError
from asmg_pl.storage import bucket
from asmg_pl.storage.listing import Listing
from asmg_pl.storage.remote import RemoteFolder
from asmg_pl.storage.work import worked_on

SETTINGS = Settings(user="user", item="item", time="time", label="label")
ROWS = 30


def table(folder: Path, number: int) -> Path:
    """Rows of a day."""
    row = range(ROWS)
    columns = {"user": [f"u{(number + each) % 7}" for each in row], "item": [each % 5 + number for each in row]}
    columns |= {"label": [each % 2 for each in row], "time": [1_700_000_000 + 86_400 * number + each for each in row]}
    path = folder / f"day-{number}.csv"
    pl.DataFrame(columns).write_csv(path)
    return path


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stream of four parts on this machine; not to be changed."""
    folder = tmp_path_factory.mktemp("streams")
    for number in range(4):
        convert([table(folder, number)], folder / "local", SETTINGS, append=number > 0)
    return folder / "local"


@pytest.fixture
def address(s3: S3, tmp_path: Path, local: Path) -> str:
    """The same stream at an address, and nothing in the cache."""
    address = f"{s3.address}/streams/clicks"
    with worked_on(address, new=True) as folder:
        shutil.copytree(local, folder)
    shutil.rmtree(tmp_path / "cache")
    s3.faults.seen.clear()
    return address


def fetched(s3: S3) -> set[str]:
    """The parts of which columns were fetched."""
    gets = [each for each in s3.faults.seen if each.startswith("GET") and "/user.npy." in each]
    return {each.partition("/files/")[2].partition("/")[0] for each in gets}


def test_the_rows_and_names_are_those_of_the_same_stream_here(address: str, local: Path) -> None:
    here, there = open_stream(local), open_stream_at(address)
    rows = torch.arange(len(here))
    for mine, other in zip(here.batch(rows, 4), there.batch(rows, 4), strict=True):
        assert (mine is None and other is None) or torch.equal(cast(Tensor, mine), cast(Tensor, other))
    assert there.sizes == here.sizes
    assert there.fingerprint(len(there)) == here.fingerprint(len(here))
    assert there.names["users"]().equals(read_names(local, "users"))


def test_a_part_that_nobody_uses_is_not_fetched(s3: S3, address: str) -> None:
    log = open_stream_at(address)
    times = torch.tensor([1_700_000_000 + 86_400 * number for number in range(4)])
    assert log.first_from(times).tolist() == [0, 30, 60, 90]
    assert log.sizes_by(3 * ROWS).users == 7
    assert fetched(s3) == set()
    assert len(log.between(2 * ROWS, 2 * ROWS + 5)) == 5
    assert fetched(s3) == {"part-00002"}
    again = open_stream_at(address)
    again.between(2 * ROWS, 3 * ROWS)
    assert sum("part-00002/user.npy." in each for each in s3.faults.seen) == 1  # once for a machine


def test_the_sizes_at_any_row_are_known_without_the_parts_before(s3: S3, tmp_path: Path) -> None:
    described = Features(lists=("tags",), list_size=2)
    writer = StreamWriter(tmp_path / "featured", features=described)
    for number in range(3):
        row = range(ROWS)
        columns: dict[str, list[Any]] = {
            "user": list(row),
            "item": list(row),
            "label": [1] * ROWS,
            "time": [number] * ROWS,
        }
        columns |= {"device": [f"d{number} {each % (number + 2)}" for each in row]}
        tags = [[f"t{(number * each) % 5}", f"s{each % 3}", f"u{each}"] for each in row]
        writer.append(pl.DataFrame(columns | {"tags": tags}))
    address = f"{s3.address}/featured"
    with worked_on(address, new=True) as folder:
        shutil.copytree(tmp_path / "featured", folder)
    here = open_stream(tmp_path / "featured")
    for rows in (0, 7, ROWS, ROWS + 9, 2 * ROWS, 3 * ROWS - 1, 3 * ROWS):
        assert open_stream_at(address).sizes_by(rows) == here.sizes_by(rows)
    shutil.rmtree(tmp_path / "cache")
    s3.faults.seen.clear()
    open_stream_at(address).sizes_by(2 * ROWS)
    assert fetched(s3) == set()


def test_a_cache_that_is_smaller_than_the_stream(
    s3: S3, address: str, local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASMG_CACHE_SIZE", "4KB")
    log = open_stream_at(address)
    for _ in range(2):
        for start in range(0, len(log), ROWS):
            assert torch.equal(log.between(start, start + ROWS).time, open_stream(local).time[start : start + ROWS])
    kept = [path for path in (tmp_path / "cache" / "blobs").glob("*/*") if not path.name.startswith(".")]
    assert sum(path.stat().st_size for path in kept) <= 4_000
    assert sum("part-00002/user.npy." in each for each in s3.faults.seen) == 2


def test_a_data_module_walks_it_and_other_sources_say_that_they_cannot(address: str) -> None:
    data = PeriodDataModule(Stream(), address, periods=EqualRows(ROWS), history_size=4)
    assert data.boundaries == [0, 30, 60, 90, 120]
    with pytest.raises(ConfigError, match=r"MovieLens reads files of this machine, and s3://.* is an address"):
        PeriodDataModule(MovieLens(), address).log  # noqa: B018


def test_a_stream_that_is_written_there_piece_by_piece(s3: S3, local: Path, tmp_path: Path) -> None:
    address = f"{s3.address}/pieces"
    for number in range(2):
        done = convert([table(tmp_path, number)], address, SETTINGS, append=number > 0)
        assert done.stream_rows == (number + 1) * ROWS
    log = open_stream_at(address)
    assert log.fingerprint(2 * ROWS) == open_stream(local).fingerprint(2 * ROWS)
    objects = [each for each in s3.faults.seen if each.startswith("PUT")]
    assert all("/listings/" not in each for each in objects[:10])  # the files go up first


def test_of_two_appends_at_once_one_is_refused_and_a_new_stream_replaces_none(
    s3: S3, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=f"{address} exists: choose another --out"):
        convert([table(tmp_path, 0)], address, SETTINGS)
    late, real = table(tmp_path, 4), RemoteFolder.publish

    def meanwhile(self: RemoteFolder, *arguments: Any) -> Listing:
        monkeypatch.setattr(RemoteFolder, "publish", real)
        monkeypatch.setenv("ASMG_CACHE", str(tmp_path / "elsewhere"))  # another machine
        convert([table(tmp_path, 5)], address, SETTINGS, append=True)
        return real(self, *arguments)

    monkeypatch.setattr(RemoteFolder, "publish", meanwhile)
    with pytest.raises(BusyError, match=f"another program has changed {address} meanwhile"):
        convert([late], address, SETTINGS, append=True)
    assert len(open_stream_at(address)) == 5 * ROWS


def test_a_bucket_that_fails_now_and_then_gets_all_rows_and_one_that_stays_down_none(
    s3: S3, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.faults.failing = s3.faults.slowing = s3.faults.losing = s3.faults.cutting = 0.05
    convert([table(tmp_path, 4)], address, SETTINGS, append=True)
    shutil.rmtree(tmp_path / "cache")
    assert len(open_stream_at(address).time) == 5 * ROWS
    monkeypatch.setattr(bucket, "PATIENCE", 0.3)
    s3.faults.mend()
    s3.faults.failing = 1.0
    with pytest.raises(StorageError, match=r"cannot be listed \(InternalError of the tests\): see to the store"):
        convert([table(tmp_path, 5)], address, SETTINGS, append=True)
    s3.faults.mend()
    assert len(open_stream_at(address)) == 5 * ROWS
