"""What a walk says to do next."""

from __future__ import annotations

from pathlib import Path

import pytest

from asmg_pl.cli.commands import COMMANDS
from asmg_pl.cli.next_steps import steps

GIVEN = [
    "--config",
    "my demo.yaml",
    "--ckpt_path",
    "last",
    "--trainer.default_root_dir",
    "runs/a b",
    "--loop.until",
    "3",
]


def commands(monkeypatch: pytest.MonkeyPatch, more: bool = False) -> dict[str, str]:
    monkeypatch.setattr("sys.argv", ["asmg", "fit", *GIVEN])
    return dict(steps(GIVEN, Path("runs/a b"), more))


def test_the_commands_are_those_of_the_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "report", ("", ""))
    monkeypatch.setitem(COMMANDS, "compare", ("", ""))
    found = commands(monkeypatch)
    assert found["see charts:"] == "asmg report 'runs/a b' --out 'runs/a b/report.html'"
    assert found["compare methods:"].startswith("asmg compare runs/compared --methods ")
    assert found["compare methods:"].endswith(" -- --config 'my demo.yaml'")
    assert found["walk your own data:"].startswith("asmg convert clicks.csv --out streams/clicks ")
    assert "go on walking:" not in found


def test_a_walk_that_stopped_before_the_streams_end_is_told_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = "asmg fit --config 'my demo.yaml' --trainer.default_root_dir 'runs/a b' --ckpt_path last"
    assert commands(monkeypatch, more=True)["go on walking:"] == expected


def test_a_command_that_is_not_there_is_not_recommended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(COMMANDS, "report", raising=False)
    assert "see charts:" not in commands(monkeypatch)
