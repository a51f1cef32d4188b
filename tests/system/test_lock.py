"""A lock has one holder, says who that is, and is free again when its holder ends, however it does."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import PATIENCE

from asmg_pl.errors import BusyError
from asmg_pl.system.lock import locked

HOLD = """
import sys
from pathlib import Path
from asmg_pl.system.lock import locked
with locked(Path(sys.argv[1]), "x", "y"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, which holds the lock until its input ends."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_is_told_who_holds_it(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    words = f"it is in use by another program, process {other.pid} on {socket.gethostname()} since 20"
    with pytest.raises(BusyError, match=words) as caught, locked(tmp_path / "lock", "it is in use", "come back later"):
        pass
    assert str(caught.value).endswith(" UTC: come back later")


def test_a_killed_holder_leaves_it_free(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    with locked(tmp_path / "lock", "it is in use", "come back later"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_it_can_be_waited_for(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    with pytest.raises(BusyError), locked(tmp_path / "lock", "it is in use", "come back later", wait=0.2):
        pass
    assert other.stdin is not None
    other.stdin.close()
    with locked(tmp_path / "lock", "it is in use", "come back later", wait=PATIENCE):
        assert other.wait() == 0


def test_its_holder_may_ask_again(tmp_path: Path) -> None:
    with locked(tmp_path / "lock", "", ""):
        with locked(tmp_path / "lock", "", ""):
            pass
        assert (tmp_path / "lock.holder").exists()
    assert not (tmp_path / "lock.holder").exists()
