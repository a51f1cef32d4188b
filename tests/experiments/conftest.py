"""A small stream with a few method files, and tools that walk it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from end_to_end.program import CONFIG, Finished, movies, ratings

COMMON = [
    *("--config", "config.yaml", "--data.root", ".", "--model.init_args.pretrain_epochs", "1"),
    *("--model.init_args.test_from", "8", "--loop.until", "9"),
]
METHODS = {
    "iu.yaml": "class_path: asmg_pl.updaters.IncrementalUpdate",
    "bu2.yaml": "class_path: asmg_pl.updaters.BatchUpdate\n  init_args:\n    window: 2",
    "wrong.yaml": "class_path: asmg_pl.updaters.BatchUpdate\n  init_args:\n    window: 0",  # refused
}

Tool = Callable[..., Finished]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Data, ``config.yaml`` and the methods' files. Periods 1 to 4 pre-train, 5 selects, 8 is the first test."""
    ratings().write_csv(tmp_path / "ratings.csv")
    movies().write_csv(tmp_path / "movies.csv")
    (tmp_path / "config.yaml").write_text(CONFIG)
    for name, text in METHODS.items():
        (tmp_path / name).write_text(f"model:\n  {text}\n")
    return tmp_path


@pytest.fixture
def tool(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tool:
    """Run a tool within this process, its walks in others, with its results in ``runs``."""

    def run(name: str, *arguments: str) -> Finished:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        monkeypatch.setattr(sys, "argv", [f"{name}.py", "runs", *arguments, "--", *COMMON])
        with pytest.raises(SystemExit) as stop:
            importlib.import_module(name).main()
        return Finished(int(stop.value.code or 0), *capsys.readouterr())

    return run


def table(done: Finished) -> list[dict[str, str]]:
    """The rows of a printed Markdown table, without the notes below it."""
    lines = [line for line in done.out.splitlines() if line.startswith("|")]
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(header, row, strict=True)) for row in rows]
