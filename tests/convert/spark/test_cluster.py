"""A master and two workers on loopback, of which one is killed: the stream has the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from convert.spark.conftest import SMALL, differing
from patience import PATIENCE
from ports import free_port

from asmg_pl.convert import Settings, convert

SETTINGS = Settings(user="who", item="what", time="when", all_positive=True, negatives=1, context=("device",))
OPTIONS = ["--user", "who", "--item", "what", "--time", "when", "--all-positive", "--negatives", "1"]
OPTIONS += ["--context", "device"]


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable, **more}


@contextmanager
def daemon(folder: Path, kind: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the cluster, in a group of its own with the executors that it starts."""
    import pyspark

    home = Path(pyspark.__file__).parent
    command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{kind}", "--host", "127.0.0.1", *arguments]
    own = environment(SPARK_HOME=str(home), SPARK_DAEMON_MEMORY="256m", SPARK_WORKER_DIR=str(folder / "work"))
    with (folder / f"{kind}-{time.monotonic_ns()}.log").open("wb") as log:
        process = subprocess.Popen(command, env=own, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with its group."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_a_killed_worker_changes_nothing(java: None, tables: Path) -> None:
    files = [tables / "one.csv", tables / "two.csv"]
    convert(files, tables / "polars", SETTINGS)
    master, logs = f"spark://127.0.0.1:{(port := free_port())}", tables / "logs"
    logs.mkdir()
    with ExitStack() as stack:
        stack.enter_context(daemon(logs, "master.Master", "--port", str(port), "--webui-port", "0"))
        worker = ("--cores", "1", "--memory", "1g", "--webui-port", "0", master)
        workers = [stack.enter_context(daemon(logs, "worker.Worker", *worker)) for _ in range(2)]
        conf = " ".join(f"--conf {name}={value}" for name, value in SMALL.items())
        submit = f"--master {master} --executor-memory 512m {conf} pyspark-shell"
        command = [sys.executable, "-m", "asmg_pl", "convert", *(file.name for file in files), "--out", "spark"]
        process = subprocess.Popen(
            [*command, *OPTIONS, "--engine", "spark"],
            cwd=tables,  # which is not where the workers are
            env=environment(PYSPARK_SUBMIT_ARGS=submit),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun = tables / ".spark.partial" / "stream"
        began = time.monotonic()
        while process.poll() is None and not any(begun.glob(".writing-*/appeared.npy")):
            assert time.monotonic() - began < PATIENCE
            time.sleep(0.1)
        assert process.poll() is None, process.communicate()[1]
        kill(workers[0])
        _, said = process.communicate()
    assert process.returncode == 0, said
    assert differing(tables / "polars", tables / "spark") == []
