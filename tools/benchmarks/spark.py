"""``asmg convert`` with Spark on this machine; the rival is Polars, on the same files, to the same bytes."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.data import write_ratings

_OPTIONS = [
    "--user",
    "userId",
    "--item",
    "movieId",
    "--time",
    "timestamp",
    "--rating",
    "rating",
    "--positive-from",
    "4",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes."""
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000], help="rows to convert")
    parser.add_argument("--files", type=int, default=4, help="files among which the rows are divided")
    parser.add_argument("--cores", type=int, default=2, help="cores of Spark's local master")
    parser.add_argument("--memory", default="4g", help="memory of Spark's process")
    parser.add_argument("--java", default="", help="options of Spark's Java, such as --java=-XX:TieredStopAtLevel=1")


def measure(given: argparse.Namespace) -> dict[str, float]:
    """Rows per second of both, from the start of the process to its end, so with the start of Java.

    Also the processor time of all processes, which depends less on what else the machine does.
    """
    figures: dict[str, float] = {}
    for rows in given.rows:
        with tempfile.TemporaryDirectory(dir=given.folder) as place:
            folder = Path(place)
            _write(folder, rows, given.files)
            took = {engine: _convert(folder, engine, given) for engine in ("polars", "spark")}
            if _content(folder / "polars") != _content(folder / "spark"):
                sys.exit("the two streams differ")
        for engine, (seconds, processor) in took.items():
            figures[f"{engine}, {rows:,} rows: rows/s"] = rows / seconds
            figures[f"{engine}, {rows:,} rows: processor s"] = processor
        figures[f"spark over polars, {rows:,} rows: seconds"] = took["spark"][0] / took["polars"][0]
    return figures


def _write(folder: Path, rows: int, files: int) -> None:
    """Write ratings, divided among files."""
    whole = folder / "all.csv"
    write_ratings(whole, rows)
    (folder / "rows").mkdir()
    with whole.open("rb") as source:
        header = next(source)
        for number in range(files):
            with (folder / "rows" / f"{number}.csv").open("wb") as part:
                part.write(header)
                for _ in range(rows * (number + 1) // files - rows * number // files):
                    part.write(next(source))
    whole.unlink()


def _convert(folder: Path, engine: str, given: argparse.Namespace) -> tuple[float, float]:
    """Seconds of a conversion in a process of its own, and processor seconds of this with all that it starts."""
    tasks = f"--conf spark.sql.shuffle.partitions={4 * given.cores}"  # Spark's 200 are for a cluster
    session = f"--master local[{given.cores}] --driver-memory {given.memory} --conf spark.ui.enabled=false {tasks}"
    session += f" --driver-java-options={given.java}" * bool(given.java)
    environment = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_SUBMIT_ARGS": f"{session} pyspark-shell"}
    command = [sys.executable, "-m", "asmg_pl", "convert", str(folder / "rows"), "--out", str(folder / engine)]
    counted = [sys.executable, str(Path(__file__).with_name("counted.py")), *command, *_OPTIONS, "--engine", engine]
    began = time.perf_counter()
    done = subprocess.run(counted, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"asmg convert --engine {engine} failed:\n{done.stderr[-2000:]}")
    return time.perf_counter() - began, float(done.stdout)


def _content(stream: Path) -> dict[str, bytes]:
    paths = [path for path in stream.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(stream)): path.read_bytes() for path in paths}
