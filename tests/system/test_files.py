"""Files and folders that are written in one step, on disks that take no more."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from checkpoints.small_checkpoint import small_checkpoint
from disks import disk_of
from matplotlib.figure import Figure

from asmg_pl.checkpoints.io import AtomicCheckpointIO
from asmg_pl.errors import StorageError
from asmg_pl.serving.arrays import write_array
from asmg_pl.system import files
from asmg_pl.system.files import storage_reason, written_whole


def test_a_file_gets_its_name_when_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(files, "sync", lambda path: seen.append((path.name, (tmp_path / "x").exists())))
    with written_whole(tmp_path / "x") as partial:
        partial.write_text("new")
    assert seen == [("x.partial", False), (tmp_path.name, True)]
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_folder_replaces_another_one(tmp_path: Path) -> None:
    for name in ("old", "new"):
        with written_whole(tmp_path / "deep" / "x") as partial:
            partial.mkdir()
            (partial / name).touch()
    assert [path.name for path in (tmp_path / "deep" / "x").iterdir()] == ["new"]


@pytest.mark.parametrize("error", [ValueError("other"), KeyboardInterrupt()])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    (tmp_path / "x").write_text("old")
    (tmp_path / "x.partial").write_text("left by a kill")

    def fail() -> None:
        with written_whole(tmp_path / "x") as partial:
            assert not partial.exists()
            partial.write_text("half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x", "old")]


def test_the_reason_is_found_behind_other_errors() -> None:
    error = RuntimeError("unexpected pos")
    error.__context__ = OSError(122, os.strerror(122))  # as torch has it
    assert storage_reason(error) == os.strerror(122)
    assert storage_reason(ValueError("full")) is None


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    reason = r"file/x could not be written \((Not a directory|File exists)"
    with pytest.raises(StorageError, match=reason), written_whole(tmp_path / "file" / "x"):
        pass


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    with disk_of("64k", tmp_path / "disk") as place:
        yield place


def table(path: Path) -> None:
    pl.DataFrame({"a": np.arange(100_000)}).write_csv(path)


def array(path: Path) -> None:
    write_array(torch.zeros(100_000), path)


def plot(path: Path) -> None:
    figure = Figure(figsize=(40, 40))
    figure.subplots().plot(np.random.default_rng(0).random(10_000))
    figure.savefig(path, format="png")


@pytest.mark.slow
@pytest.mark.parametrize("write", [table, array, plot])
def test_a_full_disk_is_said_and_nothing_half_is_left(small_disk: Path, write: Callable[[Path], None]) -> None:
    (small_disk / "x").write_text("old")
    reason = r"x could not be written \(No space left on device\)"
    with pytest.raises(StorageError, match=reason), written_whole(small_disk / "x") as partial:
        write(partial)
    assert [(path.name, path.read_text()) for path in small_disk.iterdir()] == [("x", "old")]


def test_a_full_disk_leaves_the_checkpoint_before(small_disk: Path) -> None:
    path = small_disk / "period-000001-phase-000-score.ckpt"
    AtomicCheckpointIO().save_checkpoint(small_checkpoint(), path)
    before = path.read_bytes()
    large = small_checkpoint() | {"state_dict": {"recommender.weight": torch.zeros(100_000)}}
    for name in (path.name, "period-000001-phase-001-update.ckpt"):
        with pytest.raises(StorageError, match=rf"{name} could not be written \(No space left on device\)"):
            AtomicCheckpointIO().save_checkpoint(large, small_disk / name)
    assert list(small_disk.iterdir()) == [path]
    assert path.read_bytes() == before


@pytest.mark.parametrize("shape", [(), (0,), (3,), (5, 2), (0, 4)])
def test_arrays_of_all_shapes_are_written(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = torch.rand(shape)
    write_array(values, tmp_path / "x.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), values.numpy())
