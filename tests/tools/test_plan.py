"""The plan of a day: its formulas for bytes are what ranks hold and send, and the page shows what it prints."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import benchmark
import pytest
import torch
from benchmarks.formulas import Walk

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"


def figures(patch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> dict[str, float]:
    """What a part of the benchmark has found."""
    patch.setattr("sys.argv", ["benchmark.py", *arguments, "--folder", str(folder)])
    threads = torch.get_num_threads()
    benchmark.main()
    torch.set_num_threads(threads)
    found: dict[str, float] = json.loads((folder / "benchmark.json").read_text())
    return found


@pytest.mark.slow
def test_ranks_hold_and_send_what_the_formulas_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = 48_000
    found = figures(monkeypatch, tmp_path, "scale", "--ranks", "2", "4", "--rows", str(rows), "--steps", "2")
    for ranks in (2, 4):
        of_ranks = {name.removeprefix(f"{ranks} ranks, 48,000 rows, "): value for name, value in found.items()}
        walk = Walk(rows=2 * rows, ranks=ranks)
        assert of_ranks["bytes held"] == pytest.approx(walk.held(), rel=0.02)
        for step, batches in {"update": 1, "generate": 3}.items():
            expected = walk.sent(of_ranks[f"{step}, distinct ids per step"], batches)
            assert of_ranks[f"{step}, bytes sent per step"] == pytest.approx(expected, rel=0.02)


def test_stages_that_grow_with_the_ids_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = figures(monkeypatch, tmp_path, "stages", "--ids", "4000")
    assert found["convert --append of one row: bytes for each known id"] == pytest.approx(8, rel=0.1)
    assert found["package: bytes for each id"] > 4 * 8
    assert found["stream: bytes of a row with a new user and a new item"] > 20


def test_the_page_shows_what_the_plan_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = re.findall(r"^python tools/benchmark.py (plan .*)$", PAGE.read_text(), flags=re.MULTILINE)
    assert commands
    for command in commands:
        figures(monkeypatch, tmp_path, *shlex.split(command))
        shown = capsys.readouterr().out
        missing = [line for line in shown.splitlines() if line not in PAGE.read_text()]
        assert missing == []


def test_more_ranks_take_less_time_and_a_day_that_is_too_long_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few, many = (figures(monkeypatch, tmp_path, "plan", "--ranks", ranks) for ranks in ("2", "8"))
    for stage in ("score", "generate", "update", "state, serving model", "checkpoints"):
        assert many[f"{stage}: s"] < few[f"{stage}: s"]
    assert many["held by each GPU: GB"] == pytest.approx(few["held by each GPU: GB"] / 4, rel=0.01)
    assert "It keeps up." in capsys.readouterr().out
    figures(monkeypatch, tmp_path, "plan", "--rows", "1e12")
    assert "It does not keep up: convert and the walk." in capsys.readouterr().out
