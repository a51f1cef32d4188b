"""Every shell command that README and docs show is run, on small data, or stands in a list that says why not."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from glob import glob
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from end_to_end.program import environment, last_checkpoint, movies, ratings

from asmg_pl.cli import main

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

#: What commands that are not run here begin with, and why.
ELSEWHERE = {
    "make ": "sets up an environment of its own; .ci/run calls demo, docs, lint and test",
    ". .venv/bin/activate": "the tests run in an environment already",
    "asmg prepare": "fetches from the network; tests/prepare has a server of its own",
    "asmg fit --config configs/movielens_25m.yaml": "needs a data set that asmg prepare fetches",
    "python tools/tune_methods.py": "walks for hours; tests/tools/test_tune_methods.py has a small one",
    "python tools/sweep_option.py": "walks for many minutes; tests/tools/test_sweep_option.py has a small one",
    "python tools/sweep.py": "walks for many minutes; tests/tools/test_sweep.py has a small one",
    "python tools/reproduce_paper.py": "walks for hours; tests/tools/test_reproduce_paper.py has a small one",
    "asmg fit --config configs/demo.yaml --trainer.strategy ddp": "ends the process that it runs in with the others; "
    "tests/end_to_end/test_processes.py walks on two and four",
    "torchrun --nnodes": "takes two machines; tests/end_to_end/test_processes.py has torchrun on one",
    "srun ": "takes two machines with SLURM",
    "torchrun --nproc-per-node 8": "takes eight processes; tests/sharding/test_walks.py walks on two and four",
    "wandb sync": "needs an account and the network",
    "python tools/compare_methods.py runs/all --methods configs/methods/*.yaml --tuned": "needs what tuning found; "
    "tests/tools/test_compare_methods.py has a small one",
}

#: Documents whose commands take hours on the real streams, each shown beside the figures that it made.
HOURS = {"results.md"}

#: What stands for the reader's own files and for long lists, and what there is of it here.
HERE = {
    "--data.root FOLDER": "--data.root movietweetings",
    "$ASMG_DATA/": "",
    "runs/all runs/mine": "runs/all",
    "--ckpt_path FILE": "--ckpt_path {checkpoint}",
    "configs/methods/*.yaml": "configs/methods/iu.yaml",
    "--loop.until 20": "--loop.until 12",
    " -- ": " --seeds 1 -- ",
}

#: What makes a command short: options that are added to those which match.
SHORTER = {
    r"asmg \w+ .*configs/demo.yaml": "--data.source.init_args.rows 1240 --data.source.init_args.users 40 "
    "--data.source.init_args.items 30",
    r"asmg (fit|test|validate) ": "--model.init_args.pretrain_epochs 1",
    r"asmg fit (?!.*--loop\.until)": "--loop.until 13",
    r"asmg fit (?!.*--ckpt_path)": "--checkpoint.overwrite true",
    r"python .* -- ": "--model.init_args.pretrain_epochs 1 --model.init_args.test_from 12 --loop.until 12",
}


def commands(document: Path) -> list[str]:
    """The lines of a document's shell blocks, without comments."""
    blocks = re.findall(r"```sh\n(.*?)```", document.read_text(), flags=re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in (re.sub(r"(^|\s+)#.*", "", line) for line in lines) if line]


def elsewhere(command: str) -> bool:
    return any(command.startswith(start) for start in ELSEWHERE)


def small(command: str) -> str:
    """The command with what there is here, made short."""
    extra = [options for pattern, options in SHORTER.items() if re.match(pattern, command)]
    for shown, here in HERE.items():
        command = command.replace(shown, here)
    return command if "--help" in command else " ".join([command, *extra])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as a reader's checkout: configurations, tools, and the files that the commands name."""
    for name in ("configs", "tools"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ("ml-latest-small", "ratings", "movietweetings"):
        (tmp_path / name).mkdir()
    rows, catalogue = ratings(), movies()
    rows.write_csv(tmp_path / "ml-latest-small" / "ratings.csv")
    catalogue.write_csv(tmp_path / "ml-latest-small" / "movies.csv")
    rows.write_csv(tmp_path / "ratings" / "part-1.csv")
    catalogue.write_csv(tmp_path / "movies.csv")
    tweets = rows.with_columns(pl.col("rating").mul(2).cast(pl.Int64))
    (tmp_path / "movietweetings" / "ratings.dat").write_text(
        "".join("::".join(map(str, r)) + "\n" for r in tweets.rows())
    )
    (tmp_path / "movietweetings" / "movies.dat").write_text(
        "".join("::".join(map(str, r)) + "\n" for r in catalogue.rows())
    )
    clicks(0, 15).write_csv(tmp_path / "clicks.csv")
    clicks(15, 16).write_csv(tmp_path / "clicks-of-today.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def clicks(first: int, last: int) -> pl.DataFrame:
    """Forty clicks on each day, from one day of May to before another."""
    draw = np.random.default_rng(first)
    count = 40 * (last - first)
    minutes = np.arange(count) * 36 + first * 1440
    times = np.datetime64("2024-05-01T00:00:00.000") + minutes.astype("timedelta64[m]")
    columns = {"user_id": draw.integers(0, 20, count), "item_id": draw.integers(0, 30, count), "clicked_at": times}
    return pl.DataFrame(columns | {"device": np.array(["phone", "laptop"])[draw.integers(0, 2, count)]}).with_columns(
        pl.col("clicked_at").dt.strftime("%Y-%m-%dT%H:%M:%S")
    )


def run(command: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command within this process, or, if it leaves others running, as one of its own; its exit status."""
    if "{checkpoint}" in command:
        command = command.replace("{checkpoint}", str(last_checkpoint(Path("runs/demo"))))
    program, *arguments = [word for part in shlex.split(command) for word in (glob(part) if "*" in part else [part])]
    if "--wandb." in command:  # it keeps a service running in its process
        called = [sys.executable, "-m", "asmg_pl", *arguments]
        return subprocess.run(called, env=environment() | {"WANDB_MODE": "offline"}, check=False).returncode
    monkeypatch.setattr(sys, "argv", [program, *arguments] if program == "asmg" else arguments)
    called_main = main if program == "asmg" else importlib.import_module(Path(arguments[0]).stem).main
    try:
        called_main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def run_in_order(document: Path) -> Iterator[str]:
    """The commands of a document that are to be run; the files of code that it shows are written first."""
    text = document.read_text()
    named = re.findall(r"in a file `(\w+\.py)`", text)
    for name, code in zip(named, re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL), strict=True):
        Path(name).write_text(code)
    for command in commands(document):
        if not elsewhere(command):
            yield small(command)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    "document",
    [document for document in DOCUMENTS if document.name not in HOURS and "```sh" in document.read_text()],
    ids=lambda document: document.stem,
)
def test_the_commands_of_a_document_work_in_their_order(document: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in run_in_order(document):
        assert run(command, monkeypatch) == 0, command


def test_each_reason_not_to_run_a_command_is_needed() -> None:
    shown = [command for document in DOCUMENTS for command in commands(document)]
    assert [start for start in ELSEWHERE if not any(command.startswith(start) for command in shown)] == []
    for reason in ELSEWHERE.values():
        for path in re.findall(r"tests/[\w/.]+\w", reason):
            assert (ROOT / path).exists(), path


def test_commands_that_take_hours_name_tools_that_there_are() -> None:
    for name in HOURS:
        shown = [command for command in commands(ROOT / "docs" / name) if command.startswith("python ")]
        assert shown
        assert all((ROOT / command.split()[1]).is_file() for command in shown)


def test_every_target_that_is_shown_is_one_of_the_makefile_and_runs_in_ci() -> None:
    shown = {
        command.split()[1] for document in DOCUMENTS for command in commands(document) if command.startswith("make ")
    }
    called = set(re.findall(r"^make (\w+)", (ROOT / ".ci" / "run").read_text(), flags=re.MULTILINE))
    assert shown <= called
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
