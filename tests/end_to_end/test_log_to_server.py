"""The way from a log to a server, as the first page shows it; each stage is killed once, and called again."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from end_to_end.program import environment

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "README.md").read_text().split("## From a log to a server")[1]
CONVERT, WALK, UPDATE, SERVE, ASK = re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)[0].strip().splitlines()

#: What is done when a stage has begun its work, and a walk may still be small.
BEGUN = {CONVERT: "streams/.clicks.partial", WALK: "runs/clicks/checkpoints", UPDATE: "runs/clicks/.update.lock"}
SHORT = {WALK: ["--model.init_args.pretrain_epochs", "1", "--model.init_args.self_tuning", "null"]}

#: Seconds after which a program that says nothing counts as broken.
PATIENCE = 300.0


def clicks(first: int, last: int) -> pl.DataFrame:
    """Sixty clicks on each day, from one day of May to before another."""
    draw = np.random.default_rng(first)
    count = 60 * (last - first)
    times = np.datetime64("2024-05-01T00:00:00.000") + (np.arange(count) * 24 + first * 1440).astype("timedelta64[m]")
    columns = {"user_id": draw.integers(0, 20, count), "item_id": draw.integers(0, 30, count), "clicked_at": times}
    return pl.DataFrame(columns).with_columns(pl.col("clicked_at").dt.strftime("%Y-%m-%dT%H:%M:%S"))


def started(command: str, folder: Path, *more: str) -> subprocess.Popen[str]:
    """Start a command of the page in a folder."""
    program, *arguments = shlex.split(command)
    assert program == "asmg"
    called = [sys.executable, "-P", "-m", "asmg_pl", *arguments, *SHORT.get(command, []), *more]
    return subprocess.Popen(
        called, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def kill_at_work(command: str, folder: Path) -> None:
    """Start a command, and kill it as soon as its work has begun; one that has ended by then is whole."""
    process = started(command, folder)
    until = time.monotonic() + PATIENCE
    while not (folder / BEGUN[command]).exists() and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    process.kill()
    process.communicate()


def call(command: str, folder: Path, *more: str) -> str:
    """Call a command to its end, which must be good."""
    process = started(command, folder, *more)
    said, _ = process.communicate(timeout=2 * PATIENCE)
    assert process.returncode == 0, said
    return said


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of the server on a free port; the server is killed at the end."""
    process = started(SERVE, folder, "--port", "0")
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.match(r"(http://\S+) serves", line):
                yield found[1]
                return
        raise AssertionError("the server has not begun")
    finally:
        process.kill()
        process.communicate()


def ask(address: str) -> Any:
    """Send the page's request."""
    words = shlex.split(ASK)
    path, body = re.sub(r"^http://[^/]+", "", words[1]), words[words.index("-d") + 1]
    request = urllib.request.Request(address + path, body.encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
        return json.load(reply)


@pytest.mark.slow
def test_the_way_from_a_log_to_a_server_survives_a_kill_in_each_stage(tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="the server needs the extra serve")
    clicks(0, 19).write_csv(tmp_path / "clicks.csv")
    clicks(19, 20).write_csv(tmp_path / shlex.split(UPDATE)[-1])

    kill_at_work(CONVERT, tmp_path)
    if not (tmp_path / "streams" / "clicks" / "stream.json").exists():
        call(CONVERT, tmp_path)
    kill_at_work(WALK, tmp_path)
    call(WALK, tmp_path, "--ckpt_path", "last")
    with serving(tmp_path) as address:
        assert ask(address)["version"] == "after-period-000018"
    kill_at_work(UPDATE, tmp_path)
    assert "published after-period-000019" in call(UPDATE, tmp_path)
    with serving(tmp_path) as address:
        first = ask(address)
    with serving(tmp_path) as address:  # the last one was killed
        answer = ask(address)
    assert answer == first
    assert answer["version"] == "after-period-000019"
    assert len(set(answer["items"])) == 5
    assert all(0 < score < 1 for score in answer["scores"])
