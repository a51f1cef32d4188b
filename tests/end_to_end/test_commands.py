"""Every shell command that README and docs show is run, on small data, or stands in a list that says why not.

The program is run from an installed wheel, in a folder that has nothing of the repository.
"""

from __future__ import annotations

import os
import re
import shlex
import sqlite3
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import closing
from glob import glob
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from end_to_end.installed import Installed, Program
from end_to_end.program import last_checkpoint, movies, ratings
from ports import free_port

from asmg_pl.cli.commands import COMMANDS

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

#: What commands that are not run here begin with, and why.
ELSEWHERE = {
    "make ": "sets up an environment of its own; .ci/run calls demo, docs, lint and test",
    ". .venv/bin/activate": "the tests run in an environment already",
    "pip install": "fetches from the network; the wheel is installed here by other means",
    "asmg prepare": "fetches from the network; tests/prepare has a server of its own",
    "asmg fit --config configs/movielens_25m.yaml": "needs a data set that asmg prepare fetches",
    "asmg fit --config configs/complete_journey.yaml": "needs data that pip fetches",
    "asmg fit --config configs/asmg.yaml --config configs/recommenders/label_heads.yaml": "needs a stream with further "
    "labels; tests/end_to_end/test_methods.py converts one",
    "PYSPARK_SUBMIT_ARGS=": "needs a Spark cluster; tests/convert/spark starts one",
    'asmg convert "s3://': "reads a bucket; tests/convert has addresses of this machine",
    **dict.fromkeys(
        (
            "asmg convert clicks.csv --out s3://",
            "asmg fit --model ASMG --data.source Stream --data.root s3://",
            "asmg compare s3://",
            "asmg report s3://",
            "asmg rollback s3://",
        ),
        "needs a bucket; tests/operations/test_addresses.py has one",
    ),
    "asmg fit --config configs/diginetica.yaml": "needs the files of the data set; tests/data/sources has small ones",
    "python tools/draw_streams.py": "changes the pages of the clone; test_readme.py compares them with what it makes",
    "asmg convert FOLDER/": "needs the files of the data set; tests/data/sources converts small ones",
    "asmg tune": "walks for hours; tests/end_to_end/test_experiments.py has a small one",
    "asmg sweep": "walks for many minutes; tests/end_to_end/test_experiments.py has a small one",
    "asmg reproduce": "walks for hours; tests/experiments/test_reproduction.py has a small one",
    "asmg reproduce ader": "trains for hours; tests/experiments/next_item/test_study.py has a small one",
    "asmg compare runs/all --methods configs/methods/*.yaml --cluster": "needs a Ray cluster; "
    "tests/experiments/test_cluster.py has one",
    "kubectl ": "takes a cluster of Kubernetes",
    "srun ": "takes two machines with SLURM",
    "export TORCH_DISABLE": "sets a variable of the shell; tests/distributed/test_lost_machine.py sets it",
    "torchrun --nnodes 1:2": "outlives the loss of a machine; tests/distributed/test_lost_machine.py loses one",
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 torchrun --nnodes 1:2": "the same on one line",
    "torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint FIRST_MACHINE:29500 -m asmg_pl fit "
    "--config configs/asmg.yaml --trainer.strategy sharded --trainer.default_root_dir s3://": "needs a bucket; "
    "tests/callbacks/test_machines.py has one, and two processes",
    "wandb sync": "needs an account and the network",
    "asmg compare runs/all --methods configs/methods/*.yaml --tuned": "needs what tuning found; "
    "tests/experiments/test_compare_methods.py has a small one",
    "asmg serve": "serves until it is stopped; tests/cli/commands/test_serve.py starts and stops it",
    "curl ": "asks a server; tests/serving/server/test_documentation.py has one that answers",
    "asmg update": "needs a run, and the file of a new day; tests/operations has a shop with both",
    "python tools/benchmark.py": "takes minutes, in a clone; tests/tools/test_benchmark.py has small ones",
    "asmg completion": "writes into the reader's home; tests/cli/commands/test_completion.py asks for the script",
    "asmg fit --config configs/demo.yaml --trainer.default_root_dir runs/mlflow": "needs the package "
    "mlflow; tests/callbacks/test_report.py logs to it",
    "ASMG_LOG=debug asmg fit": "sets a variable of the shell; tests/cli/test_logs.py shows the levels",
}

#: Documents whose commands take hours on the real streams, each shown beside the figures that it made.
HOURS = {"results.md", "speed.md"}

#: Documents whose commands read files of forms of their own, which tests/end_to_end/test_recipes.py has.
OWN_FILES = {"recipes.md"}

#: What stands for the reader's own files and for long lists, and what there is of it here.
HERE = {
    "--config movielens_small --data.root FOLDER": "--config movietweetings --data.root movietweetings",
    "--data.root FOLDER": "--data.root movietweetings",
    "$ASMG_DATA/": "",
    "runs/all runs/mine": "runs/all",
    "--ckpt_path FILE": "--ckpt_path {checkpoint}",
    "configs/methods/*.yaml": "configs/methods/iu.yaml",
    "--loop.until 20": "--loop.until 12",
    "--period 20 ": "--period 12 ",
    "after-period-000020": "after-period-000012",
    " -- ": " --seeds 1 -- ",
    "--nproc-per-node 8": "--standalone --nproc-per-node 2",
    "--nnodes 2 --standalone --nproc-per-node 2 --rdzv-backend c10d --rdzv-endpoint FIRST_MACHINE:29500": "--nnodes 2 "
    "--nproc-per-node 1 --rdzv-backend c10d --rdzv-endpoint 127.0.0.1:{port}",
}

#: What makes a command short: options that are added to those which match.
SHORTER = {
    r".*-m asmg_pl fit ": "--trainer.accelerator cpu",
    r".*-m asmg_pl fit .*configs/asmg.yaml": "--data.source DriftingStream --data.source.init_args.rows 1240 "
    "--data.source.init_args.users 40 --data.source.init_args.items 30 --model.init_args.pretrain_epochs 1",
    r"(asmg|.* asmg_pl) \w+ .*(configs/demo\.yaml|--config demo\b)": "--data.source.init_args.rows 1240 "
    "--data.source.init_args.users 40 --data.source.init_args.items 30",
    r".*asmg(_pl)? (fit|test|validate) ": "--model.init_args.pretrain_epochs 1",
    r".*asmg(_pl)? fit (?!.*--loop\.until)": "--loop.until 13",
    r".*asmg(_pl)? fit (?!.*--ckpt_path)": "--checkpoint.overwrite true",
    r"asmg freshness ": "--ages 2",
    r"asmg (compare|seeds) .* -- ": "--model.init_args.pretrain_epochs 1 --model.init_args.test_from 12 --loop.until "
    "12",
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
    write_shop(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


@pytest.fixture
def asmg(installed: Installed, place: Path) -> Iterator[Program]:
    """The installed program in that folder."""
    program = Program(installed, place)
    yield program
    program.close()


def write_shop(folder: Path) -> None:
    """Events, visits with tables of users and items, and a database of stars."""
    (folder / "events.csv").write_text(
        "visitor,item,time,event,price\nv1,i1,1714521600,view,5\nv2,i1,1714521660,addtocart,5\nv1,i2,1714521720,view,0\n"
    )
    (folder / "visits.csv").write_text(
        "user_id,item_id,visited_at,bought,price\nu1,i1,1714521600,1,9.5\nu2,i2,1714521660,0,\nu1,i2,1714521720,0,7\n"
    )
    (folder / "users.csv").write_text(
        "user_id,since,country,age,interests\nu1,1714521000,no,30,tea|books\nu2,1714521000,dk,41,\n"
    )
    (folder / "items.csv").write_text("item_id,kind,list_price,brand\ni1,cup,10,a\ni2,book,8,b\n")
    with closing(sqlite3.connect(folder / "shop.db")) as shop:
        shop.execute("create table events (who text, what text, at integer, stars integer)")
        shop.executemany(
            "insert into events values (?, ?, ?, ?)", [("a", "x", 1714521600, 5), ("b", "y", 1714521660, 2)]
        )
        shop.commit()


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


def run(command: str, asmg: Program, installed: Installed) -> tuple[int, str]:
    """Run a command; its exit status, and what the program has said."""
    if "{checkpoint}" in command:
        command = command.replace("{checkpoint}", str(last_checkpoint(Path("runs/demo"))))
    program, *arguments = [word for part in shlex.split(command) for word in (glob(part) if "*" in part else [part])]
    if program == "torchrun" or "--trainer.devices" in arguments:  # with processes of its own
        return together(command, installed)
    assert program == "asmg"
    return asmg(*arguments)


def together(command: str, installed: Installed) -> tuple[int, str]:
    """Run a command that starts processes; once for each machine that it names, on this one."""
    program, *arguments = shlex.split(command.replace("{port}", str(free_port())))
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


def run_in_order(document: Path) -> Iterator[str]:
    """The commands of a document that are to be run; the files of code that it shows are written first."""
    text = document.read_text()
    named = re.findall(r"in a file `(\w+\.py)`.*?```python\n(.*?)```", text, flags=re.DOTALL)
    for name, code in named:
        Path(name).write_text(code)
    for command in commands(document):
        if not elsewhere(command):
            yield small(command)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "document",
    [document for document in DOCUMENTS if document.name not in HOURS | OWN_FILES and "```sh" in document.read_text()],
    ids=lambda document: document.stem,
)
def test_the_commands_of_a_document_work_in_their_order(document: Path, asmg: Program, installed: Installed) -> None:
    for command in run_in_order(document):
        code, said = run(command, asmg, installed)
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
    experiments = "asmg_pl/experiments"
    page = {f"{experiments}/report/template/page.{kind}" for kind in ("html", "css", "js")}
    tables = {f"{experiments}/paper_results.csv", f"{experiments}/next_item/published.csv"}
    assert tables | page <= names


def test_each_reason_not_to_run_a_command_is_needed() -> None:
    shown = [command for document in DOCUMENTS for command in commands(document)]
    assert [start for start in ELSEWHERE if not any(command.startswith(start) for command in shown)] == []
    for reason in ELSEWHERE.values():
        for path in re.findall(r"tests/[\w/.]+\w", reason):
            assert (ROOT / path).exists(), path


def test_commands_that_take_hours_are_commands_that_there_are() -> None:
    for name in HOURS:
        shown = [command for command in commands(ROOT / "docs" / name) if command.startswith("asmg ")]
        assert shown
        assert {command.split()[1] for command in shown} <= set(COMMANDS)


def test_every_target_that_is_shown_is_one_of_the_makefile_and_runs_in_ci() -> None:
    shown = {
        command.split()[1] for document in DOCUMENTS for command in commands(document) if command.startswith("make ")
    }
    called = set(re.findall(r"^make (\w+)", (ROOT / ".ci" / "run").read_text(), flags=re.MULTILINE))
    assert shown <= called
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
