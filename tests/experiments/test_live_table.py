"""The table of all walks, as lines and on a terminal."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

from asmg_pl.cli.study import messages
from asmg_pl.experiments import live_table as module
from asmg_pl.experiments.live_table import Board, live_table
from asmg_pl.experiments.pool import Began, Ended, Lost
from asmg_pl.experiments.walking import logger
from asmg_pl.experiments.walks import Walk


@pytest.fixture
def walks(tmp_path: Path) -> list[Walk]:
    """Walks of three methods; the first one has come to period 14."""
    checkpoints = tmp_path / "runs" / "iu" / "seed-1" / "checkpoints"
    checkpoints.mkdir(parents=True)
    for name in ("period-000009-phase-001-update.ckpt", "period-000014-phase-000-score.ckpt"):
        (checkpoints / name).touch()
    names = ("iu/seed-1", "bu3/seed-1", "bu3/seed-2", "wrong/seed-1")
    return [Walk(tmp_path / "runs" / name, 1, ()) for name in names]


def test_each_walk_is_done_running_in_a_period_waiting_or_failed_with_its_message(walks: list[Walk]) -> None:
    board = Board(walks, ended=walks[1:2])
    board.note(Began(walks[0], "node-2"))
    output = "ended with status 2; the end of log.txt:\nasmg fit: loading ...\nasmg: window must be at least 1:\nnot 0"
    board.note(Ended(walks[3], output, 3.0, 0))
    assert board.lines(10) == [
        "4 walks: 1 failed, 1 running, 1 waiting, 1 done",
        "  iu/seed-1     running  period 14 on node-2",
        "  bu3/seed-1    done     before",
        "  bu3/seed-2    waiting",
        "  wrong/seed-1  failed   window must be at least 1:",
    ]
    board.note(Lost(walks[0], "the node has died"))
    board.note(Began(walks[2]))
    board.note(Ended(walks[2], None, 31.4, 0))
    assert [line.split()[1:] for line in board.lines(10)[1:4]] == [
        ["waiting", "goes", "on", "elsewhere"],
        ["done", "before"],
        ["done", "31", "s"],
    ]


def test_a_low_terminal_shows_first_what_has_failed_and_what_runs(walks: list[Walk]) -> None:
    board = Board(walks)
    board.note(Began(walks[2]))
    board.note(Ended(walks[3], "killed", 3.0, 0))
    assert [line.split()[:2] for line in board.lines(3)[1:]] == [["bu3/seed-2", "running"], ["wrong/seed-1", "failed"]]
    assert board.lines(1) == ["4 walks: 1 failed, 1 running, 2 waiting"]


class Terminal(io.StringIO):
    """A terminal's text."""

    def isatty(self) -> bool:
        return True


def test_messages_stand_above_the_table_which_goes_at_the_end(
    walks: list[Walk], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(module, "BETWEEN", 0.0)
    monkeypatch.setenv("COLUMNS", "36")
    with messages(), live_table(walks, []) as note:
        note(Began(walks[0], "a-node-with-a-long-name"))
        logger.info("a message")
        assert re.search(r"a message\n.*4 walks: 1 running", screen.getvalue(), flags=re.DOTALL)
        (walks[0].folder / "checkpoints" / "period-000015-phase-000-score.ckpt").touch()
        note(None)
        assert "  iu/seed-1     running  period 15 \x1b" in screen.getvalue()
        shown = len(screen.getvalue())
    assert "walks" not in screen.getvalue()[shown:]


def test_there_is_no_table_in_a_file(walks: list[Walk], capsys: pytest.CaptureFixture[str]) -> None:
    with live_table(walks, []) as note:
        note(Began(walks[0]))
    assert capsys.readouterr() == ("", "")
