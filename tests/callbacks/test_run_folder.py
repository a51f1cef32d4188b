"""A run folder holds one walk: nothing of another one is overwritten or removed by accident."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from callbacks.test_checkpoint import WRITTEN, kept, walk
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.io import AsyncCheckpointIO, TorchCheckpointIO

from asmg_pl.callbacks import PhaseCheckpoint
from asmg_pl.callbacks.ownership import Ownership
from asmg_pl.callbacks.run_folder import IDENTITY, scored_periods, walk_in
from asmg_pl.checkpoints.io import newest_first, read_checkpoint
from asmg_pl.errors import CheckpointError, ConfigError, StorageError
from asmg_pl.system import files

pytestmark = pytest.mark.filterwarnings("ignore")


def content(folder: Path) -> dict[str, bytes]:
    """The files of a run folder, but for the lock."""
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name[:5] != ".run."
    }


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A walk up to period 4, all of whose checkpoints are there; not to be changed."""
    folder = tmp_path_factory.mktemp("one")
    walk(folder, PhaseCheckpoint(keep=100), until=4)
    return folder


@pytest.fixture
def other(one: Path, tmp_path: Path) -> Path:
    """Another walk, with scores beside its checkpoints."""
    folder = tmp_path / "other"
    walk(folder, PhaseCheckpoint(keep=100), until=3)
    (folder / "metrics.csv").write_text("period,split\n3,test\n4,test\n5,test\n")
    return folder


def test_a_walk_is_known_by_its_checkpoints_and_its_folder(one: Path, other: Path, tmp_path: Path) -> None:
    walks = {read_checkpoint(path)["walk"] for path in newest_first(one / "checkpoints")}
    assert walks == {json.loads((one / IDENTITY).read_text())["walk"]} == {walk_in(one)}
    assert walk_in(other) not in (None, *walks)
    assert walk_in(tmp_path / "nowhere") is None


@pytest.mark.parametrize("identity", [None, b"", b"\xff", b"[]", b'{"walk": 5}'])
def test_a_missing_or_damaged_identity_is_found_in_the_checkpoints(
    one: Path, tmp_path: Path, identity: bytes | None
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(one, folder)
    (folder / IDENTITY).unlink()
    if identity is not None:
        (folder / IDENTITY).write_bytes(identity)
    newest_first(folder / "checkpoints")[0].write_bytes(b"damaged")
    assert walk_in(folder) == walk_in(one)


def test_going_on_with_another_walk_is_refused_before_anything_is_lost(one: Path, other: Path) -> None:
    before = content(other)
    with pytest.raises(ConfigError, match=rf"{other} holds another walk than {one}.*--checkpoint\.overwrite true"):
        walk(other, PhaseCheckpoint(), ckpt_path=one / "checkpoints" / WRITTEN[3])
    assert content(other) == before


def test_another_walk_is_replaced_when_asked_to(one: Path, other: Path) -> None:
    walk(other, PhaseCheckpoint(keep=100, overwrite=True), ckpt_path=one / "checkpoints" / WRITTEN[3], until=4)
    assert kept(other) == WRITTEN[4:6]
    assert walk_in(other) == walk_in(one)


@pytest.mark.parametrize("left", [["metrics.csv", IDENTITY], ["metrics.csv"], [IDENTITY]])
def test_a_walk_whose_checkpoints_are_gone_is_protected(other: Path, left: list[str]) -> None:
    shutil.rmtree(other / "checkpoints")
    for path in other.iterdir():
        if path.name not in left:
            path.unlink()
    before = content(other)
    with pytest.raises(ConfigError, match=rf"{other} holds the results of an earlier walk, whose checkpoints are gone"):
        walk(other, PhaseCheckpoint())
    assert content(other) == before
    walk(other, PhaseCheckpoint(overwrite=True), until=3)
    assert kept(other) == WRITTEN[2:4]


def test_a_walk_that_was_killed_before_its_first_checkpoint_begins_again(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("period,split\n1,test\n")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / f"{WRITTEN[0]}.partial").write_bytes(b"half")
    walk(tmp_path, PhaseCheckpoint(), until=3)
    assert kept(tmp_path) == WRITTEN[2:4]


def test_foreign_files_stay_and_are_no_walk(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    for name in ("notes.txt", "checkpoints/notes.txt", "metrics.csv"):
        (tmp_path / name).write_text("mine")
    walk(tmp_path, PhaseCheckpoint(keep=1), until=3)
    assert kept(tmp_path) == ["notes.txt", WRITTEN[3]]
    assert (tmp_path / "notes.txt").read_text() == (tmp_path / "metrics.csv").read_text() == "mine"


class Stops(Callback):
    """Stops the walk when it begins."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        raise ConfigError("it cannot begin")


def test_an_earlier_walk_is_removed_only_when_the_new_one_begins(other: Path) -> None:
    before = content(other)
    with pytest.raises(ConfigError, match="it cannot begin"):
        walk(other, PhaseCheckpoint(overwrite=True), callbacks=[Stops()])
    with pytest.raises(ConfigError, match="pre-training takes"):
        walk(other, PhaseCheckpoint(overwrite=True), pretrain_periods=5)
    assert content(other) == before


def test_what_an_earlier_place_drops_is_said_before_and_dropped_after(
    one: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(one, folder)
    (folder / "metrics.csv").write_text("period,split\n3,test\n4,test\n")
    start = folder / "checkpoints" / WRITTEN[1]
    before = content(folder)
    with pytest.raises(ConfigError, match="it cannot begin"):
        walk(folder, PhaseCheckpoint(keep=100), ckpt_path=start, callbacks=[Stops()])
    assert content(folder) == before
    caplog.clear()
    noting = walk(folder, PhaseCheckpoint(keep=100), ckpt_path=start, until=3)
    assert (
        f"the walk goes on from {WRITTEN[1]}: its later checkpoints, up to period 4, and the results of periods 3 to 4 "
        "are dropped when its first new one is written"
    ) in caplog.text
    assert noting.there[0] == WRITTEN[:6]
    assert kept(folder) == WRITTEN[:4]


def test_going_on_from_the_newest_place_says_nothing(
    one: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(one, folder)
    (folder / "metrics.csv").write_text("period,split\n3,test\n4,test\n5,test\n")  # killed after a score
    walk(folder, PhaseCheckpoint(), ckpt_path=folder / "checkpoints" / WRITTEN[5])
    assert "dropped" not in caplog.text


def test_two_walks_cannot_run_in_one_folder(other: Path) -> None:
    running, before = Ownership(other), content(other)
    running.take()
    with pytest.raises(ConfigError, match=rf"is walked in by another program, process {os.getpid()}"):
        walk(other, PhaseCheckpoint(overwrite=True))
    assert content(other) == before
    running.release()
    walk(other, PhaseCheckpoint(), ckpt_path=newest_first(other / "checkpoints")[0])


def test_checkpoints_that_somebody_removes_meanwhile_are_not_missed(tmp_path: Path) -> None:
    class Removes(Callback):
        def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            shutil.rmtree(tmp_path / "checkpoints", ignore_errors=True)

    walk(tmp_path, PhaseCheckpoint(), callbacks=[Removes()])
    assert kept(tmp_path) == WRITTEN[-1:]


# ---- who writes checkpoints


@pytest.mark.parametrize("plugins", [None, [], [TorchCheckpointIO()]])
def test_a_trainer_without_the_programs_own_writer_gets_it(tmp_path: Path, plugins: Any) -> None:
    walk(tmp_path, PhaseCheckpoint(), until=3, plugins=plugins)
    assert read_checkpoint(tmp_path / "checkpoints" / WRITTEN[3])["results"].keys() == {3}


class Own(TorchCheckpointIO):
    """Somebody's writer."""


@pytest.mark.parametrize("plugin", [Own, AsyncCheckpointIO])
def test_another_writer_is_refused_before_any_work(tmp_path: Path, plugin: Any) -> None:
    with pytest.raises(ConfigError, match=rf"trainer\.plugins has {plugin.__name__}.*leave the plugin out"):
        walk(tmp_path / "run", PhaseCheckpoint(), plugins=[plugin()])
    assert not (tmp_path / "run" / "checkpoints").exists()


# ---- a full disk


@pytest.fixture
def full_after(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list of names: a file whose name holds one of them cannot be written, as the disk is full."""
    names: list[str] = []
    sync = files.sync

    def full(path: Path) -> None:
        if any(name in path.name for name in names):
            raise OSError(28, os.strerror(28))
        sync(path)

    monkeypatch.setattr(files, "sync", full)
    return names


@pytest.mark.parametrize("name", [WRITTEN[4], IDENTITY])
def test_a_full_disk_leaves_the_last_checkpoint_and_says_how_to_go_on(
    tmp_path: Path, full_after: list[str], name: str
) -> None:
    full_after.append(name)
    with pytest.raises(StorageError, match=rf"{name} could not be written \(No space left on device\)") as caught:
        walk(tmp_path, PhaseCheckpoint())
    there = kept(tmp_path)
    assert there == (WRITTEN[2:4] if name == WRITTEN[4] else WRITTEN[:1])
    assert not list(tmp_path.rglob("*.partial"))
    assert caught.value.__notes__ == [f"The walk is kept up to {there[-1]}: go on with --ckpt_path last"]
    full_after.clear()
    walk(tmp_path, PhaseCheckpoint(), ckpt_path=tmp_path / "checkpoints" / there[-1])
    assert kept(tmp_path) == WRITTEN[-2:]


def test_scores_that_cannot_be_read_are_none(tmp_path: Path) -> None:
    for text in (b"", b"\xff\xfe\x00", b"other\n1\n", b"period\nx\n"):
        (tmp_path / "metrics.csv").write_bytes(text)
        assert scored_periods(tmp_path) == []


def test_a_damaged_checkpoint_is_refused_and_the_folder_stays_as_it_is(one: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(one, folder)
    newest = newest_first(folder / "checkpoints")[0]
    newest.write_bytes(newest.read_bytes()[:-9])
    before = content(folder)
    with pytest.raises(CheckpointError, match="the previous one is"):
        walk(folder, PhaseCheckpoint(), ckpt_path=newest)
    assert content(folder) == before
