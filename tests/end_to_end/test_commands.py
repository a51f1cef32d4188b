"""Every shell command that README and docs show is run, on small data, or stands in a list that says why not.

The program is run from an installed wheel, in a folder that has nothing of the repository; tools from the repository.
"""

from __future__ import annotations

import importlib
import os
import re
import shlex
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from glob import glob
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from end_to_end.installed import Installed, Program, install
from end_to_end.program import last_checkpoint, movies, ratings

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
    "srun ": "takes two machines with SLURM",
    "wandb sync": "needs an account and the network",
    "asmg completion": "writes into the reader's home; tests/cli/test_completion.py asks for the script",
    "asmg fit --config configs/demo.yaml --trainer.default_root_dir runs/mlflow": "needs the package "
    "mlflow; tests/callbacks/test_report.py logs to it",
    "ASMG_LOG=debug asmg fit": "sets a variable of the shell; tests/cli/test_logs.py shows the levels",
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
    "--nproc-per-node 8": "--standalone --nproc-per-node 2",
    "--trainer.devices 8": "--trainer.devices 2",
    "--nnodes 2 --standalone --nproc-per-node 2 --rdzv-backend c10d --rdzv-endpoint FIRST_MACHINE:29500": "--nnodes 2 "
    "--nproc-per-node 1 --rdzv-backend c10d --rdzv-endpoint 127.0.0.1:{port}",
    "--trainer.num_nodes 2 --trainer.devices 2": "--trainer.num_nodes 2 --trainer.devices 1",
}

#: What makes a command short: options that are added to those which match.
SHORTER = {
    r".*-m asmg_pl fit ": "--trainer.accelerator cpu",
    r".*-m asmg_pl fit .*configs/asmg.yaml": "--data.source DriftingStream --data.source.init_args.rows 1240 "
    "--data.source.init_args.users 40 --data.source.init_args.items 30 --model.init_args.pretrain_epochs 1",
    r"(asmg|.* asmg_pl) \w+ .*configs/demo.yaml": "--data.source.init_args.rows 1240 --data.source.init_args.users 40 "
    "--data.source.init_args.items 30",
    r".*asmg(_pl)? (fit|test|validate) ": "--model.init_args.pretrain_epochs 1",
    r".*asmg(_pl)? fit (?!.*--loop\.until)": "--loop.until 13",
    r".*asmg(_pl)? fit (?!.*--ckpt_path)": "--checkpoint.overwrite true",
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


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The package as a user has it."""
    return install(tmp_path_factory.mktemp("installed"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as a reader's, with the files that the commands name."""
    tmp_path /= "place"
    tmp_path.mkdir()
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
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


@pytest.fixture
def asmg(installed: Installed, place: Path) -> Iterator[Program]:
    """The installed program in that folder."""
    program = Program(installed, place)
    yield program
    program.close()


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


def run(command: str, asmg: Program, installed: Installed, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Run a command; its exit status, and what the program has said."""
    if "{checkpoint}" in command:
        command = command.replace("{checkpoint}", str(last_checkpoint(Path("runs/demo"))))
    program, *arguments = [word for part in shlex.split(command) for word in (glob(part) if "*" in part else [part])]
    if program == "torchrun" or "--trainer.devices" in arguments:  # with processes of its own
        return together(command, installed)
    if program == "asmg":
        return asmg(*arguments)
    assert program == "python"
    return from_the_repository(arguments, monkeypatch), ""


def together(command: str, installed: Installed) -> tuple[int, str]:
    """Run a command that starts processes; once for each machine that it names, on this one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program, *arguments = shlex.split(command.replace("{port}", str(port)))
    started = [
        subprocess.Popen(
            [installed.bin / program, *arguments],
            env=installed.environ(Path.cwd().parent),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2 if "--nnodes" in arguments else 1)
    ]
    said = [process.communicate()[0] for process in started]
    return max(abs(process.returncode) for process in started), "".join(said)


def from_the_repository(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a tool within this process, in a folder that has the repository's files; its exit status."""
    for name in ("configs", "tools"):
        Path(name).symlink_to(ROOT / name)
    monkeypatch.setattr(sys, "argv", arguments)
    try:
        importlib.import_module(Path(arguments[0]).stem).main()
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        for name in ("configs", "tools"):
            Path(name).unlink()
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
@pytest.mark.parametrize(
    "document",
    [document for document in DOCUMENTS if document.name not in HOURS and "```sh" in document.read_text()],
    ids=lambda document: document.stem,
)
def test_the_commands_of_a_document_work_in_their_order(
    document: Path, asmg: Program, installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in run_in_order(document):
        code, said = run(command, asmg, installed, monkeypatch)
        assert code == 0, f"{command}\n{said}"


def test_the_wheel_has_the_configurations_and_no_other_files_than_the_package(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    shipped = {f"asmg_pl/{path.relative_to(ROOT)}" for path in (ROOT / "configs").rglob("*.yaml")}
    assert {name for name in names if name.startswith("asmg_pl/configs/")} == shipped
    assert all(name.startswith("asmg_pl/") for name in names)
    assert {name for name in names if name.endswith(".py")} == {
        str(path.relative_to(ROOT)) for path in (ROOT / "asmg_pl").rglob("*.py")
    }


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
