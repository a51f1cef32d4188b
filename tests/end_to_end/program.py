"""What end-to-end tests share: a small stream in MovieLens format, and the program as a process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from asmg_pl.checkpoints.io import newest_first

CONFIG = """
model:
  class_path: asmg_pl.updaters.ASMG
  init_args:
    window: 2
    generator_learning_rate: 1.0e-3
    guard: null
    pretrain_periods: 4
    pretrain_epochs: 2
    test_from: 10
data:
  source: asmg_pl.data.sources.MovieLens
  periods:
    class_path: asmg_pl.data.EqualCounts
    init_args:
      count: 13
  batch_size: 64
  history_size: 5
"""
ROWS, PERIODS, WALKED = 2600, 13, range(5, 14)

Asmg = Callable[..., "Finished"]


@dataclass
class Finished:
    """What a call of the program left."""

    code: int
    out: str
    err: str


def ratings(seed: int = 0) -> pl.DataFrame:
    """Ratings in the order of time; users and items have gaps in their numbers."""
    draw = np.random.default_rng(seed)
    user, item = draw.integers(0, 60, ROWS), draw.integers(0, 90, ROWS)
    liked = (user + item) % 3 == 0
    stars = np.where(draw.random(ROWS) < 0.2, draw.integers(1, 11, ROWS) / 2, np.where(liked, 4.5, 2.0))
    times = 1_000_000_000 + np.arange(ROWS) * 60
    return pl.DataFrame({"userId": user * 3 + 1, "movieId": item * 7 + 2, "rating": stars, "timestamp": times})


def movies() -> pl.DataFrame:
    """Titles and genres; each third item has no genre."""
    item = np.arange(90)
    names = np.array(["Drama|Comedy", "Action", "(no genres listed)"])
    return pl.DataFrame(
        {"movieId": item * 7 + 2, "title": [f"Film {i}, The (1999)" for i in item], "genres": names[item % 3]}
    )


def command(*arguments: object) -> list[str]:
    """The program as a command of its own."""
    return [sys.executable, "-m", "asmg_pl", *map(str, arguments)]


def environment() -> dict[str, str]:
    """One thread per process: several tests run at a time."""
    return os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "100"}


def metrics(folder: Path) -> bytes:
    """The bytes of a run's ``metrics.csv``."""
    return (folder / "metrics.csv").read_bytes()


def last_checkpoint(folder: Path) -> Path:
    """A run's newest checkpoint."""
    return newest_first(folder / "checkpoints")[0]
