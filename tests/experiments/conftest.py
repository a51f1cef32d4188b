"""A small stream with a few methods' files, and commands that walk it, within this process."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from end_to_end.program import CONFIG, Finished, movies, ratings

from asmg_pl.cli.main import main
from asmg_pl.experiments import processes, study

COMMON = [
    *("--config", "config.yaml", "--data.root", ".", "--model.init_args.pretrain_epochs", "1"),
    *("--model.init_args.test_from", "8", "--loop.until", "9"),
]
METHODS = {
    "iu.yaml": "class_path: asmg_pl.updaters.IncrementalUpdate",
    "bu2.yaml": "class_path: asmg_pl.updaters.BatchUpdate\n  init_args:\n    window: 2",
    "wrong.yaml": "class_path: asmg_pl.updaters.BatchUpdate\n  init_args:\n    window: 0",  # refused
}

Command = Callable[..., Finished]


def called(arguments: Sequence[str]) -> Finished:
    """The program, called within this process, without the fixtures for output."""
    out, err, code, before = io.StringIO(), io.StringIO(), 0, sys.argv
    sys.argv = ["asmg", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.argv = before
    return Finished(code, out.getvalue(), err.getvalue())


@pytest.fixture
def asmg(monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command line within this process; what it starts are processes."""
    monkeypatch.setenv("COLUMNS", "80")
    return lambda *arguments: called([str(argument) for argument in arguments])


class OneByOne:
    """A pool that does its work in this thread."""

    def __init__(self, jobs: int) -> None:
        assert jobs == 1

    def __enter__(self) -> OneByOne:
        return self

    def __exit__(self, *raised: object) -> None:
        pass

    def map_async(self, work: Callable[[Any], None], things: Iterable[Any], chunksize: int) -> None:
        for thing in things:
            work(thing)


@pytest.fixture
def within(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands walk within this process: a walk is the same, without seconds of imports. One walk at a time."""

    def run(_: object, command: Sequence[str], out: int) -> tuple[int, float]:
        done = called(command[command.index("asmg_pl") + 1 :])
        with open(out, "w", closefd=False) as log:
            log.write(done.out + done.err)
        return done.code, 400.0

    def resolved(arguments: Sequence[str], kept: Path | None = None) -> dict[str, Any]:
        done = called(["fit", *arguments, "--print_config"])
        assert done.code == 0, done.err
        return dict(yaml.safe_load(done.out))

    monkeypatch.setattr(processes, "ThreadPool", OneByOne)  # handlers of signals need the main thread
    monkeypatch.setattr(processes._Processes, "run", run)
    monkeypatch.setattr(study, "resolved", resolved)


def write_files(folder: Path) -> None:
    """Write data, ``config.yaml`` and the methods' files. Periods 1 to 4 pre-train, 5 selects, 8 is the first test."""
    ratings().write_csv(folder / "ratings.csv")
    movies().write_csv(folder / "movies.csv")
    (folder / "config.yaml").write_text(CONFIG)
    for name, text in METHODS.items():
        (folder / name).write_text(f"model:\n  {text}\n")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of a study, in the working folder."""
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a written Markdown table, without the notes below it."""
    lines = [line for line in path.read_text().splitlines() if line.startswith("|")]
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(header, row, strict=True)) for row in rows]
