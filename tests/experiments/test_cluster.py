"""Studies on a Ray cluster of three nodes on 127.0.0.1."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from end_to_end.program import Finished, command, metrics
from experiments.conftest import COMMON, Command, table, write_files
from patience import PATIENCE

from asmg_pl.experiments import cluster as module
from asmg_pl.experiments.cluster import Needs, connected
from asmg_pl.experiments.walking import walk_all
from asmg_pl.experiments.walks import Walk

#: No usage statistics, and Ray takes 127.0.0.1 for the address of this machine.
LOOPBACK = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

METHODS = ["--methods", "iu.yaml", "bu2.yaml", "wrong.yaml", "--seeds", "3"]
WALK = ["--", *COMMON, "--config", "waiting.yaml"]
WAITING = "trainer: {callbacks: [{class_path: waiting.Waiting, init_args: {period: 7}}]}"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three nodes with a CPU each."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in LOOPBACK.items():
            patch.setenv(name, value)
        patch.delenv("RAY_ADDRESS", raising=False)
        before = signal.getsignal(signal.SIGTERM)  # which a node replaces
        from ray.cluster_utils import Cluster

        node: dict[str, Any] = {"node_ip_address": "127.0.0.1", "num_cpus": 1, "object_store_memory": 80 * 2**20}
        nodes: Any = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
        for _ in range(2):
            nodes.add_node(**node)
        signal.signal(signal.SIGTERM, before)
        logs = nodes.head_node.get_session_dir_path()
        yield nodes
        nodes.shutdown()
        shutil.rmtree(logs, ignore_errors=True)


@dataclass(frozen=True)
class Study:
    """A study whose first call lost a node, then got Ctrl-C, and was called again.

    Attributes:
        folder: the working folder.
        lost: the method whose walk was on the node.
        kept: the method whose walk had ended before Ctrl-C.
        first: what the first call said.
        again: what the second call said.
        waits: the processes of each method's walk.
        untouched: whether the second call has left the kept walk's checkpoints and scores as they were.
    """

    folder: Path
    lost: str
    kept: str
    first: Finished
    again: Finished
    waits: dict[str, list[int]]
    untouched: bool


@pytest.fixture(scope="module")
def study(cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Walk it. Each walk waits in period 7 until it may go on."""
    folder = tmp_path_factory.mktemp("study")
    write_files(folder)
    (folder / "waiting.py").write_text(Path(__file__).with_name("waiting.py").read_text())
    (folder / "waiting.yaml").write_text(WAITING)
    called = command("compare", "far", *METHODS, "--cluster", cluster.address, "--memory", "0.5", *WALK)

    def waits() -> dict[str, list[int]]:
        paths = {name: folder / "far" / name / "seed-3" / "waits" for name in ("iu", "bu2")}
        return {name: [*map(int, path.read_text().split())] if path.exists() else [] for name, path in paths.items()}

    with begun(called, folder) as call:
        call.wait_for(lambda: all(waits().values()))
        raylets = {parent(parent(process)): name for name, (process,) in waits().items()}
        node = next(node for node in cluster.worker_nodes if raylet(node) in raylets)
        lost = raylets[raylet(node)]
        cluster.remove_node(node, allow_graceful=False)
        call.wait_for(lambda: len(waits()[lost]) == 2)
        (kept,) = {*raylets.values()} - {lost}
        (folder / f"go-{kept}").touch()
        call.wait_for(lambda: f"far/{kept}/seed-3 done in" in call.said() and "wrong/seed-3 failed" in call.said())
        call.process.send_signal(signal.SIGINT)
        first = call.finished()
    (folder / f"go-{lost}").touch()
    before = written(folder / "far" / kept)
    with begun(called, folder) as call:
        again = call.finished()
    return Study(folder, lost, kept, first, again, waits(), before == written(folder / "far" / kept))


@dataclass(frozen=True)
class Call:
    """The program under way; what it says goes to files."""

    process: subprocess.Popen[bytes]
    folder: Path

    def said(self) -> str:
        return (self.folder / "err.txt").read_text()

    def wait_for(self, happened: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE
        while not happened():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < until, self.said()
            time.sleep(0.05)

    def finished(self) -> Finished:
        return Finished(self.process.wait(PATIENCE), (self.folder / "out.txt").read_text(), self.said())


@contextmanager
def begun(called: Sequence[str], folder: Path) -> Iterator[Call]:
    environ = os.environ | LOOPBACK | {"OMP_NUM_THREADS": "1", "COLUMNS": "100"}
    with (folder / "out.txt").open("w") as out, (folder / "err.txt").open("w") as err:
        process = subprocess.Popen(
            called, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environ, cwd=folder, process_group=0
        )
    try:
        yield Call(process, folder)
    finally:
        process.kill()
        process.wait()


def written(folder: Path) -> dict[Path, int]:
    """When each checkpoint and table of scores was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.suffix in (".ckpt", ".csv")}


def parent(pid: int) -> int:
    """The process that has started another one."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def raylet(node: Any) -> int:
    """The process of a node that starts its workers."""
    return int(node.all_processes["raylet"][0].process.pid)


@pytest.mark.slow
def test_a_walk_whose_node_dies_goes_on_elsewhere(study: Study) -> None:
    assert f"far/{study.lost}/seed-3 goes on elsewhere from its last checkpoint: " in study.first.err
    assert study.first.err.count("goes on elsewhere") == 1
    assert "raylet" not in study.first.out + study.first.err


@pytest.mark.slow
def test_ctrl_c_stops_all_walks_and_keeps_those_that_have_ended(study: Study) -> None:
    assert study.first.code == 130
    assert "asmg: stopped by SIGINT: go on with python -m asmg_pl compare far" in study.first.err
    for process in study.waits[study.lost]:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    assert study.untouched
    assert {name: len(processes) for name, processes in study.waits.items()} == {study.kept: 1, study.lost: 3}
    assert "pretraining" not in study.again.err


@pytest.mark.slow
def test_a_walk_that_fails_is_named_with_its_message(study: Study) -> None:
    for said in (study.first.err, study.again.err):
        assert "window must be at least 1" in said
    assert study.again.code == 1
    assert "1 walk failed: far/wrong/seed-3; log.txt in each says why" in study.again.err


@pytest.mark.slow
@pytest.mark.usefixtures("within")
def test_numbers_are_those_of_one_machine(study: Study, asmg: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study.folder)
    assert asmg("compare", "near", *METHODS, *WALK).code == 1
    for name in ("iu", "bu2", "pretraining/common"):
        assert metrics(Path("far", name, "seed-3")) == metrics(Path("near", name, "seed-3"))
    far, near = (
        {row["method"]: (row["AUC"], row["LogLoss"]) for row in table(Path(place, "comparison.md"))}
        for place in ("far", "near")
    )
    assert far == near
    assert set(far) == {"iu", "bu2"}
    assert "bu2" in study.again.out


class Script(Walk):
    """A walk that is a script of the shell."""

    @property
    def command(self) -> list[str]:
        return ["sh", "-c", *self.arguments]


def in_a_process_of_its_own(task: Callable[..., Any], *given: object) -> Any:
    """What a task gives that connects to a cluster, in a process which has done nothing else, as a user's has."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(task, *given).result()


def lost_again_and_again(address: str, folder: Path) -> tuple[bool, str]:
    """Whether a walk fails that always kills the process which watches it, and what is logged."""
    from ray import cloudpickle

    module.LOSSES = 2
    by_value: Any = cloudpickle.register_pickle_by_value
    by_value(sys.modules[__name__])  # no node knows this file
    said = StringIO()
    logging.basicConfig(level=logging.INFO, stream=said)
    walk = Script(folder / "runs", 1, ("kill -9 $ASMG_PARENT",))
    with connected(address, Needs()) as pool:
        return walk_all([walk], pool) == [walk], said.getvalue()


@pytest.mark.slow
def test_a_walk_that_is_lost_again_and_again_at_one_place_has_failed(cluster: Any, tmp_path: Path) -> None:
    failed, said = in_a_process_of_its_own(lost_again_and_again, cluster.address, tmp_path)
    assert failed
    assert said.count("goes on elsewhere from its last checkpoint: The worker died unexpectedly") == 1
    assert f"{tmp_path / 'runs'}: lost 2 times at the same checkpoint: The worker died" in said


def lines_beside_those_of_ray(address: str) -> tuple[str, str]:
    """What comes to standard output and what is logged while a program and Ray both print."""
    import ray

    end, said = ray.shutdown, StringIO()
    vars(ray)["shutdown"] = lambda: (print("held back until the end"), end())
    logging.basicConfig(level=logging.DEBUG, stream=said)
    with redirect_stdout(StringIO()) as printed, connected(address, Needs()):
        print("a line of the table")
        other = threading.Thread(target=print, args=("a node died",))
        other.start()
        other.join()
    return printed.getvalue(), said.getvalue()


@pytest.mark.slow
def test_standard_output_has_the_programs_lines_and_not_those_of_ray(cluster: Any) -> None:
    printed, said = in_a_process_of_its_own(lines_beside_those_of_ray, cluster.address)
    assert printed == "a line of the table\n"
    assert "ray: a node died" in said
    assert "ray: held back until the end" in said


def test_what_a_walk_needs_is_what_its_task_and_its_process_get(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("ASMG_LOG", "debug")
    needs = Needs(cpus=2.0, memory=0.5, gpus=0.25)
    assert needs.options() == {"num_cpus": 2.0, "memory": 2**29, "num_gpus": 0.25, "max_retries": 0}
    assert needs.variables().items() >= {"OMP_NUM_THREADS": "2", "ASMG_LOG": "debug"}.items()
    assert "CUDA_VISIBLE_DEVICES" not in needs.variables()
    assert "memory" not in Needs().options()
    assert Needs(cpus=0.5).variables().items() >= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}.items()
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert needs.variables()["OMP_NUM_THREADS"] == "3"
