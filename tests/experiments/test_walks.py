"""The command of a walk, and the configuration that it has."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from asmg_pl.errors import ConfigError
from asmg_pl.experiments import walks
from asmg_pl.experiments.walks import program, resolved


def test_modules_of_the_working_folder_hide_none_of_pythons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit('the wrong module')")
    monkeypatch.chdir(tmp_path)
    command = [*program()[:-2], "-c", "import random"]
    assert subprocess.run(command, check=True, capture_output=True).returncode == 0
    monkeypatch.chdir(Path(__file__).parents[2])
    assert "-P" not in program(), "a package in the working folder is not installed anywhere else"


def test_arguments_that_are_not_accepted_are_an_error_with_the_programs_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(walks, "program", lambda: ["sh", "-c", "echo 'asmg: there is no such option' >&2; exit 2"])
    with pytest.raises(ConfigError, match=r"^there is no such option$"):
        resolved(["--nothing"])
    monkeypatch.setattr(walks, "program", lambda: ["sh", "-c", "echo 'model: {init_args: {window: 3}}'"])
    assert resolved([]) == {"model": {"init_args": {"window": 3}}}
