"""Streams that fail, and a home that is missing."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path

import pytest

from asmg_pl.system.environment import (
    LastingStream,
    have_home,
    import_from_working_folder,
    lasting_streams,
    process_rank,
)


class Failing(io.StringIO):
    """Fails with one error."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EPIPE, errno.EIO])
def test_a_stream_that_cannot_be_written_goes_on(number: int) -> None:
    stream = LastingStream(Failing(number))
    print("hello", file=stream, flush=True)
    assert (stream.lost is None) is (number == errno.EPIPE), "a reader that has gone loses nothing"


def test_what_was_only_to_be_shown_and_is_lost_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Failing(errno.ENOSPC))

    def show() -> None:
        with lasting_streams():
            print("help")
            sys.exit(0)

    with pytest.raises(SystemExit) as end:
        show()
    assert end.value.code == 2


def test_what_a_walk_says_may_be_lost(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdout", Failing(errno.ENOSPC))
    with lasting_streams():
        print("period 1")
    assert "not all of standard output could be written" in capsys.readouterr().err


@pytest.mark.parametrize("home", ["/no/such/home", "scratch"])
def test_a_home_that_is_not_there_is_replaced(home: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", home)
    have_home()
    assert Path.home().is_dir()
    assert Path.home().is_absolute()


def test_modules_of_the_working_folder_come_after_those_that_are_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    import_from_working_folder()
    import_from_working_folder()
    assert sys.path[-1] == str(tmp_path)
    assert sys.path.count(str(tmp_path)) == 1


@pytest.mark.parametrize(
    ("environ", "rank"),
    [
        ({}, 0),
        ({"LOCAL_RANK": "3"}, 3),
        ({"RANK": "0", "LOCAL_RANK": "0", "SLURM_PROCID": "1"}, 0),
        ({"RANK": "9", "LOCAL_RANK": "1"}, 9),
        ({"SLURM_PROCID": "2"}, 2),
        ({"NODE_RANK": "1"}, 1),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, 1),
        ({"RANK": "0", "NODE_RANK": "1"}, 0),
    ],
)
def test_a_process_knows_whether_it_is_the_first(
    environ: dict[str, str], rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert process_rank() == rank
