"""One small Spark session for all tests that need one, and streams compared byte by byte."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

SMALL = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "768m",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    "spark.sql.shuffle.partitions": "2",
    "spark.log.level": "OFF",
}


@pytest.fixture(scope="session")
def java() -> None:
    pytest.importorskip("pyspark", reason="needs PySpark: pip install 'asmg_pl[spark]'")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark needs Java")


@pytest.fixture(scope="session")
def spark(java: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    os.environ |= {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").config("spark.local.dir", str(tmp_path_factory.mktemp("spark")))
    for name, value in SMALL.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """A folder with files of interactions, many of them at equal times, and one of items."""
    draw = np.random.default_rng(0)

    def write(name: str, rows: int, begin: int) -> None:
        table = {
            "who": draw.integers(0, 30, rows),
            "what": (draw.random(rows) ** 2 * 60).astype(int),
            "when": begin + draw.integers(0, rows // 3, rows),
            "stars": draw.integers(1, 6, rows),
            "device": draw.choice(["tv", "phone", "", "é"], rows),
            "price": draw.random(rows).round(3),
            "id": draw.permutation(rows),
            "tags": ["|".join(f"t{(row * number) % 17}" for number in range(row % 5)) for row in range(rows)],
        }
        pl.DataFrame(table).write_csv(tmp_path / name)

    write("one.csv", 400, 1_600_000_000)
    write("two.csv", 300, 1_600_000_050)
    write("later.csv", 150, 1_600_000_400)
    genres = [f"g{number % 5}|g{number % 7}" for number in range(80)]
    pl.DataFrame({"movie": range(80), "genres": genres}).write_csv(tmp_path / "items.csv")
    changed = [f"g{number % 5}|g{number % 7}" + ("|new" if number % 9 == 0 else "") for number in range(90)]
    pl.DataFrame({"movie": range(90), "genres": changed}).write_csv(tmp_path / "items-later.csv")
    return tmp_path


def content(stream: Path) -> dict[str, bytes]:
    """All files of a stream, but for the lock."""
    files = [path for path in stream.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(stream)): path.read_bytes() for path in files}


def differing(one: Path, other: Path) -> list[str]:
    """The files in which two streams differ."""
    first, second = content(one), content(other)
    return [name for name in sorted(first | second) if first.get(name) != second.get(name)]
