"""A run folder has one owner at a time, however that one ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from asmg_pl.callbacks.ownership import LOCK, Ownership
from asmg_pl.errors import BusyError, ConfigError

HOLDER = f"{LOCK}.holder"
HOLD = """
import sys, time
from pathlib import Path
from asmg_pl.callbacks.ownership import Ownership
owner = Ownership(Path(sys.argv[1]))
owner.take()
print("taken", flush=True)
time.sleep(600)
"""


def test_a_second_owner_is_refused_and_told_who_the_first_one_is(tmp_path: Path) -> None:
    first, second = Ownership(tmp_path / "run"), Ownership(tmp_path / "run")
    first.take()
    with pytest.raises(BusyError, match=rf"is walked in by another program, process {os.getpid()} on .+ since 2"):
        second.take()
    first.release()
    second.take()
    second.release()
    assert not (tmp_path / "run").exists()


def test_a_refused_owner_leaves_the_first_one_its_folder(tmp_path: Path) -> None:
    first, second = Ownership(tmp_path), Ownership(tmp_path)
    first.take()
    for _ in range(2):
        with pytest.raises(BusyError):
            second.take()
        second.release()
    assert (tmp_path / HOLDER).exists()
    first.release()


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_its_folder_free(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        owner = Ownership(tmp_path)
        with pytest.raises(BusyError, match=f"process {process.pid} on"):
            owner.take()
        process.send_signal(signal.SIGKILL)
        process.wait()
    owner.take()
    owner.release()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[1]", b'{"process": "x"}'])
def test_a_damaged_note_of_the_owner_is_left_out_of_the_message(tmp_path: Path, content: bytes) -> None:
    first = Ownership(tmp_path)
    first.take()
    (tmp_path / HOLDER).write_bytes(content)
    with pytest.raises(BusyError, match="is walked in by another program: wait"):
        Ownership(tmp_path).take()
    first.release()


def test_a_run_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(ConfigError, match=rf"{place} cannot be the run folder .*--trainer\.default_root_dir"):
            Ownership(place).take()


def test_a_link_to_nowhere_is_refused_and_one_to_a_folder_is_that_folder(tmp_path: Path) -> None:
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    with pytest.raises(ConfigError, match="cannot be the run folder"):
        Ownership(tmp_path / "nowhere").take()
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "run")
    first = Ownership(tmp_path / "link")
    first.take()
    with pytest.raises(BusyError, match="another program"):
        Ownership(tmp_path / "run").take()
    first.release()


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr(Path, "write_text", read_only)
    owner = Ownership(tmp_path)
    with pytest.raises(ConfigError, match=r"cannot be the run folder \(.*[Rr]ead-only"):
        owner.take()
    monkeypatch.undo()
    owner.take()
    owner.release()
