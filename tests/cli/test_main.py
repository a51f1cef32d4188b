"""The program's entry: switches that any command takes, and messages with what they hide."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from asmg_pl.cli.main import main

COLUMNS = ("--user", "u", "--item", "i", "--time", "t", "--label", "l")


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that the program sets are taken back."""
    for name in ("ASMG_TRACEBACK", "ASMG_LOG"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "path", list(sys.path))


def status(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the program; its exit status."""
    monkeypatch.setattr(sys, "argv", ["asmg", *arguments])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--debug", "prepare", "nothing"],
        ["prepare", "--debug", "nothing"],
        ["prepare", "nothing", "--debug"],
        [
            "convert",
            "--debug",
            "/no/rows.csv",
            "--out",
            "x",
            *("--user", "u", "--item", "i", "--time", "t", "--label", "l"),
        ],
        ["fit", "--model", "NoSuchModel", "--debug"],
        ["fly", "--debug"],
    ],
)
def test_debug_shows_what_a_message_hides_wherever_it_stands(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert status(monkeypatch, *arguments) == 2
    shown = capsys.readouterr().err
    assert "Traceback (most recent call last)" in shown
    assert shown.splitlines()[-1] != ""
    assert "--debug" not in sys.argv
    assert os.environ["ASMG_TRACEBACK"] == "1", "launched processes inherit it"
    assert os.environ["ASMG_LOG"] == "debug"
    del os.environ["ASMG_TRACEBACK"]
    assert status(monkeypatch, *[word for word in arguments if word != "--debug"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_cause_that_a_message_stands_in_for_is_shown_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "wrong.yaml").write_text("model: [1,\n")
    assert status(monkeypatch, "fit", "--config", str(tmp_path / "wrong.yaml"), "--debug") == 2
    shown = capsys.readouterr().err
    assert "yaml.parser.ParserError" in shown
    assert shown.count("asmg: ") == 1


def test_a_level_of_the_log_that_is_set_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASMG_LOG", "error")
    assert status(monkeypatch, "prepare", "nothing", "--debug") == 2
    assert os.environ["ASMG_LOG"] == "error"


def test_an_unknown_level_of_the_log_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASMG_LOG", "loud")
    assert status(monkeypatch, "prepare", "tmall") == 2
    assert capsys.readouterr().err == "asmg: ASMG_LOG is loud: give one of debug, info, warning, error\n"
