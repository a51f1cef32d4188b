"""Checkpoint files: written whole or not at all, read without running code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints.small_checkpoint import small_checkpoint

from asmg_pl.checkpoints.io import AtomicCheckpointIO, newest_first, read_checkpoint
from asmg_pl.errors import CheckpointError


class Surprise:
    """An object whose reading would run code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("code ran while a checkpoint was read",))


def content(value: float = 1.0) -> dict[str, Any]:
    return small_checkpoint(value)


def write(path: Path, value: float = 1.0) -> Path:
    AtomicCheckpointIO().save_checkpoint(content(value), path)
    return path


def name(period: int, phase: int = 0, pass_: str = "update") -> str:
    return f"period-{period:06d}-phase-{phase:03d}-{pass_}.ckpt"


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "new" / "folder" / name(1))
    read = AtomicCheckpointIO().load_checkpoint(path)
    assert read["results"] == content()["results"]
    assert torch.equal(read["state_dict"]["recommender.weight"], torch.ones(64))
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_checkpoint_replaces_an_older_one_of_its_name(tmp_path: Path) -> None:
    write(tmp_path / name(1), 1.0)
    write(tmp_path / name(1), 2.0)
    assert read_checkpoint(tmp_path / name(1))["state_dict"]["recommender.weight"][0] == 2.0


def test_a_failure_while_writing_leaves_the_older_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / name(1), 1.0)
    before = path.read_bytes()

    def half_way(checkpoint: dict[str, Any], file: Any) -> None:
        file.write(before[: len(before) // 2])
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", half_way)
    with pytest.raises(OSError, match="No space left"):
        write(path, 2.0)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / name(2), 2.0)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert newest_first(tmp_path) == [path]
    write(tmp_path / name(2), 3.0)
    assert read_checkpoint(tmp_path / name(2))["state_dict"]["recommender.weight"][0] == 3.0


def test_the_target_changes_only_after_all_bytes_are_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / name(1), 1.0)
    seen = []
    monkeypatch.setattr(
        "os.fsync", lambda descriptor: seen.append(read_checkpoint(path)["state_dict"]["recommender.weight"][0].item())
    )
    write(path, 2.0)
    assert seen == [1.0, 2.0]  # of the file, and then, once it has its name, of the folder


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint .*nowhere\.ckpt"):
        read_checkpoint(tmp_path / "nowhere.ckpt")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_refused_and_the_one_before_it_named(tmp_path: Path, share: float) -> None:
    write(tmp_path / name(7))
    before = write(tmp_path / name(8))
    broken = write(tmp_path / name(9))
    write(tmp_path / name(10))
    broken.write_bytes(broken.read_bytes()[: int(share * broken.stat().st_size)])
    with pytest.raises(CheckpointError) as caught:
        AtomicCheckpointIO().load_checkpoint(broken)
    assert f"{broken} is damaged" in str(caught.value)
    assert f"the previous one is {before}: give it with --ckpt_path" in str(caught.value)


def test_an_earlier_checkpoint_that_is_damaged_too_is_not_named(tmp_path: Path) -> None:
    sound, *damaged = (write(tmp_path / name(period)) for period in (7, 8, 9))
    for path in damaged:
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(
        CheckpointError, match=f"the newest earlier one that can be read is {re.escape(str(sound))}: give"
    ):
        read_checkpoint(damaged[-1])
    sound.write_bytes(b"")
    with pytest.raises(CheckpointError, match=f"no earlier one in {re.escape(str(tmp_path))} can be read: begin anew"):
        read_checkpoint(damaged[-1])


def test_without_an_earlier_checkpoint_none_is_named(tmp_path: Path) -> None:
    (tmp_path / name(1)).write_bytes(b"nothing")
    write(tmp_path / name(2))
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(tmp_path / name(1))
    assert "previous" not in str(caught.value)


def test_a_file_with_objects_is_refused_and_runs_no_code(tmp_path: Path) -> None:
    torch.save(content() | {"surprise": Surprise()}, tmp_path / name(1))
    with pytest.raises(CheckpointError, match="no checkpoint of this program"):
        AtomicCheckpointIO().load_checkpoint(tmp_path / name(1), weights_only=False)


@pytest.mark.parametrize("foreign", [{"state_dict": {}}, [1, 2], torch.zeros(2)])
def test_files_of_other_programs_are_refused(tmp_path: Path, foreign: Any) -> None:
    torch.save(foreign, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match="was not written by a walk of this program"):
        read_checkpoint(tmp_path / "other.ckpt")


@pytest.mark.parametrize("version", [{}, {"format": 1}, {"format": 3}, {"format": 4}, {"format": 99}])
def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path, version: dict[str, int]) -> None:
    torch.save(content() | version, tmp_path / name(1))
    with pytest.raises(CheckpointError, match="another version"):
        read_checkpoint(tmp_path / name(1))


def test_the_newest_checkpoint_comes_first(tmp_path: Path) -> None:
    places = [(9, 1), (9, 2), (10, 0), (10, 9), (10, 10), (99, 0), (100, 0), (2000, 3), (123456, 0)]
    for place in sorted(places, key=lambda p: p[0] * 7 % 11):
        (tmp_path / name(*place)).touch()
    for other in ("period-000200-phase-00-score.ckpt.partial", "last.ckpt", "notes.txt"):
        (tmp_path / other).touch()
    assert [p.name for p in newest_first(tmp_path)] == [name(*place) for place in reversed(places)]


def test_a_folder_that_is_not_there_has_no_checkpoints(tmp_path: Path) -> None:
    assert newest_first(tmp_path / "nowhere") == []
