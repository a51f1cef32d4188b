"""A walk on a terminal of 80 columns that is stopped with Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import sys
import termios
from pathlib import Path

import pytest
from end_to_end.program import environment

pytestmark = pytest.mark.slow

#: What moves the cursor or sets a colour.
CONTROL = re.compile(r"\x1b\[[\d;]*[A-Za-z]")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, stream: Path) -> tuple[int, str]:
    """The exit status of a walk that got Ctrl-C after its second row, and all that the terminal was sent."""
    given = ["--config", str(stream / "config.yaml"), "--data.root", str(stream)]
    given += ["--trainer.default_root_dir", str(tmp_path_factory.mktemp("runs") / "run"), "--checkpoint.overwrite=true"]
    program = Path(sys.executable).parent / "asmg"
    variables = environment() | {"TERM": "xterm"}
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        variables.pop(name, None)
    child, screen = pty.fork()
    if not child:
        os.execve(program, ["asmg", "fit", *given], variables)
    termios.tcsetwinsize(screen, (24, 80))
    shown, typed = b"", False
    with contextlib.suppress(OSError):  # what Linux raises when the other end has been closed
        while part := os.read(screen, 4096):
            shown += part
            if b"     6 " in shown and not typed:
                typed = bool(os.write(screen, b"\x03"))
    os.close(screen)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()


def test_ctrl_c_says_how_to_go_on_with_the_very_command(stopped: tuple[int, str]) -> None:
    code, shown = stopped
    assert code == 130
    (line,) = re.findall(r"asmg: stopped by SIGINT: go on with (.*)\r\n", shown)
    assert line.startswith("asmg fit --config ")
    assert line.endswith(" --ckpt_path last")
    assert "--checkpoint.overwrite" not in line


def test_the_first_line_says_that_libraries_are_loaded_and_goes_again(stopped: tuple[int, str]) -> None:
    assert stopped[1].startswith("asmg fit: loading ...\r\x1b[K")


def test_the_header_is_bold_and_no_line_but_a_command_is_wider_than_the_terminal(stopped: tuple[int, str]) -> None:
    assert re.search(r"\x1b\[1m *incremental", stopped[1])
    shown = stopped[1].replace("^C", "")  # which the terminal itself writes behind the bar
    lines = [CONTROL.sub("", line) for line in re.split(r"[\r\n]+", shown)]
    rows = [line for line in lines if line.split()[1:2] in (["selection"], ["warm-up"])]
    assert rows
    wide = [line for line in lines if "go on with" not in line and len(line) > 80]
    assert not wide, wide
