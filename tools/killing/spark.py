"""A conversion on a Spark cluster of two workers, of which one is killed and another one joins."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import polars as pl

from killing.commands import of_files
from killing.scene import Found, Scene, kill_all

COLUMNS = ("--user", "user", "--item", "item", "--time", "time", "--all-positive", "--negatives", "1")
CONF = {
    **{"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.driver.bindAddress": "127.0.0.1"},
    **{"spark.driver.host": "127.0.0.1", "spark.driver.memory": "768m", "spark.executor.memory": "512m"},
    **{"spark.sql.shuffle.partitions": "2", "spark.log.level": "OFF"},
}


class Spark(Scene):
    """``asmg convert --engine spark``; its undisturbed round is the conversion with Polars."""

    name = "Spark worker"

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        """Write two files of clicks, and start a master and two workers."""
        super().__init__(folder, stack)
        import pyspark

        self._home = Path(pyspark.__file__).parent
        draw = np.random.default_rng(0)
        clicks = [folder / f"clicks-{number}.csv" for number in range(2)]
        for path in clicks:
            times = 1_600_000_000 + draw.integers(0, 200, 600)
            rows = {"user": draw.integers(0, 40, 600), "item": draw.integers(0, 60, 600), "time": times}
            pl.DataFrame(rows).write_csv(path)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self._master = f"spark://127.0.0.1:{port}"
        self._daemon("master.Master", "--port", str(port), "--webui-port", "0")
        self._workers = [self._worker() for _ in range(2)]
        self._process: subprocess.Popen[bytes] | None = None
        convert = [sys.executable, "-m", "asmg_pl", "convert", *map(str, clicks), *COLUMNS]
        self._convert = [*convert, "--out"]
        subprocess.run([*self._convert, "polars"], cwd=folder, check=True, capture_output=True)
        self._expected = _digests(folder / "polars")

    def start(self, number: int) -> None:
        """Convert on the cluster."""
        conf = " ".join(f"--conf {name}={value}" for name, value in CONF.items())
        submit = f"--master {self._master} {conf} pyspark-shell"
        self._process = self.call(
            [*self._convert, str(self.folder / f"spark-{number}"), "--engine", "spark"],
            f"{number}.log",
            **self._variables(PYSPARK_SUBMIT_ARGS=submit),
        )

    def begun(self, number: int) -> bool:
        """Whether the conversion writes."""
        return (self.folder / f".spark-{number}.partial").exists()

    def running(self) -> bool:
        """Whether it has not ended."""
        assert self._process is not None
        return self._process.poll() is None

    def lose(self, draw: random.Random) -> None:
        """Kill a worker and its executors; another one joins at once."""
        lost = draw.randrange(2)
        kill_all(self._workers[lost])
        self._workers[lost] = self._worker()

    def end(self) -> int:
        """Wait for the conversion."""
        assert self._process is not None
        return self._process.wait()

    def left(self, number: int) -> Found:
        """The digests of the stream's files."""
        return _digests(self.folder / f"spark-{number}")

    def same(self, found: Found, expected: Found) -> bool:
        """Whether the stream has the bytes of the conversion with Polars."""
        return found == self._expected

    def _worker(self) -> subprocess.Popen[bytes]:
        return self._daemon("worker.Worker", "--cores", "1", "--memory", "1g", "--webui-port", "0", self._master)

    def _daemon(self, kind: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a process of the cluster."""
        command = [str(self._home / "bin" / "spark-class"), f"org.apache.spark.deploy.{kind}", "--host", "127.0.0.1"]
        own = {"SPARK_HOME": str(self._home), "SPARK_DAEMON_MEMORY": "256m", "SPARK_WORKER_DIR": str(self.folder)}
        log = f"{kind}-{time.monotonic_ns()}.log"
        return self.call([*command, *arguments], log, **self._variables(**own))

    def _variables(self, **more: str) -> dict[str, str]:
        return {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable, "PATH": os.environ["PATH"], **more}


def _digests(stream: Path) -> dict[str, str]:
    """The digests of all files of a stream but its lock."""
    return {name: digest for name, digest in of_files(stream, "**/*").items() if Path(name).name != ".lock"}
