"""A small stream in MovieLens format, and walks along it through the command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from end_to_end.installed import Installed, install
from end_to_end.program import CONFIG, Asmg, Finished, command, environment, movies, ratings

from asmg_pl.cli.main import main


@pytest.fixture
def write_stream(tmp_path_factory: pytest.TempPathFactory) -> Callable[[pl.DataFrame, pl.DataFrame], Path]:
    """Write a folder with ``ratings.csv`` and ``movies.csv``."""

    def write(rows: pl.DataFrame, catalogue: pl.DataFrame) -> Path:
        folder = tmp_path_factory.mktemp("stream")
        rows.write_csv(folder / "ratings.csv")
        catalogue.write_csv(folder / "movies.csv")
        return folder

    return write


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The package as a user has it."""
    return install(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="session")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stream's folder, which has a ``config.yaml`` beside the data; not to be changed."""
    folder = tmp_path_factory.mktemp("stream")
    ratings().write_csv(folder / "ratings.csv")
    movies().write_csv(folder / "movies.csv")
    (folder / "config.yaml").write_text(CONFIG)
    return folder


@pytest.fixture
def asmg(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Asmg:
    """Run the command line within this process."""

    def run(*arguments: object) -> Finished:
        code = 0
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["asmg", *map(str, arguments)])
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Finished(code, *capsys.readouterr())

    return run


@pytest.fixture
def fit(asmg: Asmg, stream: Path) -> Asmg:
    """Walk the stream into a run folder, within this process."""

    def run(folder: Path, *arguments: object, root: Path | None = None) -> Finished:
        given = ("--config", stream / "config.yaml", "--data.root", root or stream)
        return asmg("fit", *given, "--trainer.default_root_dir", folder, *arguments)

    return run


@pytest.fixture(scope="session")
def walk(tmp_path_factory: pytest.TempPathFactory, stream: Path) -> tuple[Path, Finished]:
    """The run folder and the output of an uninterrupted walk in a process of its own; all its periods are kept."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    given = ("--config", stream / "config.yaml", "--data.root", stream, "--trainer.default_root_dir", folder)
    done = subprocess.run(
        command("fit", *given, "--checkpoint.keep", -1), capture_output=True, text=True, env=environment(), check=False
    )
    return folder, Finished(done.returncode, done.stdout, done.stderr)
