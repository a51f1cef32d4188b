"""Whenever a conversion is killed, all of it or nothing is there, and the next one goes on; two at once are told."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from killed import Killed, kill_at

from asmg_pl.convert import Settings, convert
from asmg_pl.convert.place import place
from asmg_pl.data.stream import open_stream, read_names, stream_lock
from asmg_pl.errors import BusyError, ConfigError, DataError

SETTINGS = Settings(
    *("who", "what", "when"), any_time=True, all_positive=True, negatives=1, item_id="id", categories="kind"
)
NEWER = replace(SETTINGS, user="person")
#: Functions after which the files are in another state.
STEPS = [(os, "fsync"), (os, "mkdir"), (Path, "rename"), (Path, "replace"), (Path, "write_bytes"), (shutil, "rmtree")]


def table(path: Path, begin: int, user: str, bad: str) -> Path:
    rows = [f"u{n % 7},i{n % 11 + begin // 40},{n}" for n in range(begin, begin + 40)]
    path.write_text("\n".join([f"{user},what,when", *rows[:20], f"{bad},x,soon", *rows[20:], ""]))
    return path


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """A folder with two tables, their items, and a stream of the first table."""
    folder = tmp_path / "start"
    folder.mkdir()
    (folder / "items.csv").write_text("id,kind\ni1,a\ni2,b\n")
    (folder / "more.csv").write_text("id,kind\ni1,c\ni2,b\ni3,a\n")
    table(folder / "1.csv", 0, "who", "bad one")
    table(folder / "2.csv", 40, "person", "bad two")
    convert([folder / "1.csv"], folder / "s", SETTINGS, items=folder / "items.csv", max_bad_rows=1)
    return folder


def append(folder: Path) -> None:
    convert([folder / "2.csv"], folder / "s", NEWER, items=folder / "more.csv", append=True, max_bad_rows=1)


def create(folder: Path) -> None:
    convert([folder / "1.csv"], folder / "new", SETTINGS, items=folder / "items.csv", max_bad_rows=1)


def state(stream: Path) -> list[Any]:
    log = open_stream(stream)
    batch = log.batch(torch.arange(len(log)), 5)
    return [
        *(column.tolist() for column in (batch.user, batch.item, batch.history, batch.label)),
        log.as_of(0).categories.tolist(),  # type: ignore[union-attr]
        log.categories.tolist(),  # type: ignore[union-attr]
        read_names(stream, "items").to_list(),
    ]


def listed(stream: Path) -> list[str]:
    return [text.split(",")[0] for text in pl.read_csv(stream / "quarantine.csv")["text"].to_list()]


def steps_of(run: Callable[[Path], None], folder: Path) -> int:
    with pytest.MonkeyPatch.context() as patch:
        taken = kill_at(patch, 10**6, STEPS)
        run(folder)
    return len(taken)


@pytest.mark.slow
def test_an_append_that_is_killed_at_any_step_has_happened_or_has_not(start: Path, tmp_path: Path) -> None:
    before = state(start / "s")
    steps = steps_of(append, shutil.copytree(start, tmp_path / "whole"))
    after = state(tmp_path / "whole" / "s")
    assert steps > 30
    seen = set()
    for step in range(0, steps, 2):
        folder = shutil.copytree(start, tmp_path / str(step))
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, step, STEPS)
            with pytest.raises(Killed):
                append(folder)
        found = state(folder / "s")
        assert found in (before, after)
        seen.add(found == after)
        if found == before:
            assert Settings.of({}, folder / "s").user == "who"
            append(folder)
        else:
            assert Settings.of({}, folder / "s").user == "person"
            with pytest.raises(DataError, match=r"has taken .*2\.csv before"):
                append(folder)
        assert state(folder / "s") == after
        assert listed(folder / "s") == ["bad one", "bad two"]
        if found == before:  # nothing is left of the append that was killed
            files = {".lock", "stream.json", "convert.json", "quarantine.csv"}
            parts = {"part-00000", "part-00001", "index-00001"}
            assert {path.name for path in (folder / "s").iterdir()} == files | parts
    assert seen == {False, True}


@pytest.mark.slow
def test_a_creation_that_is_killed_at_any_step_has_happened_or_has_not(start: Path, tmp_path: Path) -> None:
    steps = steps_of(create, shutil.copytree(start, tmp_path / "whole"))
    after = state(tmp_path / "whole" / "new")
    for step in range(0, steps, 4):
        folder = shutil.copytree(start, tmp_path / str(step))
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, step, STEPS)
            with pytest.raises(Killed):
                create(folder)
        if not (folder / "new").exists():
            create(folder)
            assert not (folder / ".new.partial").exists()
        assert state(folder / "new") == after
        assert listed(folder / "new") == ["bad one"]


PROGRAM = """
import os, shutil, signal, sys
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[1]).parent.parent))
from convert.test_kills import STEPS, append, create
import killed
import pytest
class Kill(BaseException):
    def __init__(self): os.kill(os.getpid(), signal.SIGKILL)
killed.Killed = Kill
with pytest.MonkeyPatch.context() as patch:
    if int(sys.argv[3]) >= 0:
        killed.kill_at(patch, int(sys.argv[3]), STEPS)
    try:
        append(Path(sys.argv[2]))
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}")
"""


def program(folder: Path, step: int = -1) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, __file__, str(folder), str(step)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.mark.slow
def test_a_program_that_is_killed_leaves_the_stream_free_and_whole(start: Path, tmp_path: Path) -> None:
    steps = steps_of(append, shutil.copytree(start, tmp_path / "whole"))
    after = state(tmp_path / "whole" / "s")
    chosen = [steps // 2, steps - 6]
    folders = [shutil.copytree(start, tmp_path / str(step)) for step in chosen]
    programs = [program(folder, step) for folder, step in zip(folders, chosen, strict=True)]
    for folder, ended in zip(folders, programs, strict=True):
        assert ended.wait() == -signal.SIGKILL
        assert (folder / "s" / ".lock.holder").exists()
        if state(folder / "s") != after:
            append(folder)
        assert state(folder / "s") == after
        with stream_lock(folder / "s"):
            pass


@pytest.mark.slow
def test_of_two_programs_that_append_at_once_one_does_and_the_other_is_told(start: Path, tmp_path: Path) -> None:
    append(shutil.copytree(start, tmp_path / "whole"))
    programs = [program(start), program(start)]
    said = [ended.communicate()[1] for ended in programs]
    assert sorted(ended.returncode for ended in programs) == [0, 1]
    (told,) = [text for text in said if text]
    # It came while the first one was writing, or, on a busy machine, after it was done.
    assert "BusyError: the stream" in told or "has taken" in told
    assert state(start / "s") == state(tmp_path / "whole" / "s")


def test_who_comes_while_another_program_is_writing_is_told_who_that_is(start: Path, tmp_path: Path) -> None:
    # Another thread stands for another program: the lock is that of whoever opened the file.
    with stream_lock(start / "s"), ThreadPoolExecutor(1) as thread:
        with pytest.raises(BusyError, match=rf"is being written by another program, process {os.getpid()} on .* since"):
            thread.submit(append, start).result()
        assert len(open_stream(start / "s")) == len(state(start / "s")[0])  # reading needs no lock
    append(start)


def test_of_two_conversions_to_one_place_the_second_is_told(start: Path) -> None:
    with place(start / "new", False, 0.0) as stream, ThreadPoolExecutor(1) as thread:
        with pytest.raises(BusyError, match="new is being converted by another program"):
            thread.submit(create, start).result()
        shutil.copytree(start / "s", stream)
    assert state(start / "new") == state(start / "s")
    with pytest.raises(ConfigError, match="exists"):
        create(start)
