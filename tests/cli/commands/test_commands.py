"""The list of commands: short, found in no time, and with an answer to a misspelt one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from asmg_pl.cli.commands import COMMANDS, QUICK, check_name, load, overview
from asmg_pl.errors import ConfigError

#: Runs the program and names the libraries, of those that take long to load, that it has loaded.
LOADED = """
import sys
from asmg_pl.__main__ import main
try:
    main()
except SystemExit as end:
    assert end.code in (0, 2), end.code
print(*({"torch", "lightning", "polars", "numpy", "jsonargparse", "matplotlib"} & set(sys.modules)), file=sys.stderr)
"""


def called(*arguments: str) -> tuple[str, list[str]]:
    """What the program shows on standard output, and the last line on standard error, in words."""
    done = subprocess.run([sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, check=True)
    return done.stdout, done.stderr.splitlines()[-1].split()


def test_the_help_has_a_line_for_each_command_and_is_no_wider_than_a_terminal() -> None:
    lines = overview().splitlines()
    for name, (text, _) in COMMANDS.items():
        assert any(line.split()[:1] == [name] and line.endswith(text) for line in lines)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert called(*arguments) == (overview(), [])


@pytest.mark.parametrize("arguments", [["--version"], ["prepare", "--help"], ["--debug", "--version"]])
def test_what_needs_no_library_loads_none(arguments: list[str]) -> None:
    shown, loaded = called(*arguments)
    assert shown
    assert loaded == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_loaded(name: str) -> None:
    assert callable(load(name))
    assert set(QUICK) <= COMMANDS.keys()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("ft", ["Did you mean asmg fit?", "prepare"]),
        ("fly", ["there is no command fly", "convert"]),
        ("Fit", ["Did you mean asmg fit?"]),
        ("predict", ["asmg test scores", "--export.keep"]),
        ("--config", ["asmg fit --config"]),
    ],
)
def test_a_command_that_there_is_not_is_answered_with_those_that_there_are(given: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        check_name(given)
    assert all(word in str(refused.value) for word in words)
