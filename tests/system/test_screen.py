"""Lines and colours on the screen."""

from __future__ import annotations

import io

import pytest
from tqdm import tqdm

from asmg_pl.system.screen import bar_options, complain, folded, has_colours, say, styled, width


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No wish about colours or width."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.parametrize(
    ("environ", "on_terminal", "in_a_file"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_colours_are_for_terminals_and_for_those_who_ask(
    environ: dict[str, str], on_terminal: bool, in_a_file: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert has_colours(Terminal()) is on_terminal
    assert has_colours(io.StringIO()) is in_a_file
    assert styled("x", "red", Terminal()) == ("\x1b[31mx\x1b[0m" if on_terminal else "x")


def test_a_sentence_is_broken_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "incremental auc 0.5328, " * 8
    assert folded(text) == text
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "80")
    assert width() == 80
    lines = folded(text).splitlines()
    assert max(map(len, lines)) < 80
    assert " ".join(folded(text).split()) == text.strip()


def test_a_line_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    say("here")
    assert capsys.readouterr() == ("here\n", "")


def test_a_message_in_a_file_does_not_follow_the_bar_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    bar = tqdm(total=2, desc="draw", **bar_options() | {"mininterval": 0.0})
    bar.update()
    complain("a message")
    bar.update()
    bar.close()
    lines = capsys.readouterr().err.splitlines()
    assert "a message" in lines
    assert [line.startswith("draw: ") for line in lines if line != "a message"] == [True] * (len(lines) - 1)
    assert len(lines) > 2
