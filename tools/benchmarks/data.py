"""From CSV to stream, and from stream to mini-batches; the rival is the published preprocessing, written plainly."""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
import torch.nn.functional as F

from asmg_pl.convert import Settings, convert
from asmg_pl.data.batch import Batch
from asmg_pl.data.log import InteractionLog
from asmg_pl.data.mini_batches.loader import MiniBatches, permutation
from asmg_pl.data.stream import open_stream, read_names
from asmg_pl.recommenders import EmbeddingMLP
from asmg_pl.updaters.optim.adam import Adam
from benchmarks.timing import median

USERS, ITEMS, HISTORY, BATCH = 45_000, 51_000, 30, 1024
SETTINGS = Settings(user="userId", item="movieId", time="timestamp", rating="rating", positive_from=4.0)
_CHUNK = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes."""
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows to convert")
    parser.add_argument("--rival-rows", type=int, default=50_000, help="rows that both preprocess")
    parser.add_argument("--loader-rows", type=int, default=1_000_000, help="rows of a pass over mini-batches")
    parser.add_argument("--repeat", type=int, default=5, help="passes of which the median is taken")


def measure(given: argparse.Namespace) -> dict[str, float]:
    """All figures by name."""
    if given.rival_rows and find_spec("pandas") is None:
        sys.exit("the rival needs pandas: pip install pandas, or leave it out with --rival-rows 0")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        folder = Path(place)
        figures = conversion(folder, given.rows)
        figures |= against_pandas(folder, given.rival_rows, given.repeat) if given.rival_rows else {}
        return figures | loading(folder, given.loader_rows, given.repeat)


def write_ratings(path: Path, rows: int) -> None:
    """Ratings like MovieLens': grouped by user, a few items with most of the rows, over five years."""
    draw = np.random.default_rng(0)
    with path.open("wb") as file:
        for begin in range(0, rows, _CHUNK):
            count = min(_CHUNK, rows - begin)
            user = np.sort(draw.integers(begin * USERS // rows, max(1, (begin + count) * USERS // rows), count))
            table = pl.DataFrame(
                {
                    "userId": user + 1,
                    "movieId": (ITEMS * draw.random(count) ** 3).astype(np.int64) * 3 + 1,
                    "rating": draw.integers(1, 11, count) / 2,
                    "timestamp": 1_388_534_400 + draw.integers(0, 5 * 365 * 24 * 3600, count),
                }
            )
            table.write_csv(file, include_header=begin == 0)


def conversion(folder: Path, rows: int) -> dict[str, float]:
    """Rows per second and peak memory of ``asmg convert`` as a process of its own."""
    source, stream = folder / "ratings.csv", folder / "stream"
    write_ratings(source, rows)
    options = ["--user", "userId", "--item", "movieId", "--time", "timestamp", "--rating", "rating"]
    command = [sys.executable, "-m", "asmg_pl", "convert", str(source), "--out", str(stream), *options]
    began = time.perf_counter()
    process = subprocess.Popen([*command, "--positive-from", "4"], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        sys.exit(f"asmg convert failed with status {os.waitstatus_to_exitcode(status)}")
    source.unlink()
    opening = median(lambda: open_stream(stream), 5)
    return {
        "convert: rows": rows,
        "convert: rows/s": rows / seconds,
        "convert: peak MiB": used.ru_maxrss / 1024,
        "open: seconds": opening,
    }


def against_pandas(folder: Path, rows: int, repeat: int) -> dict[str, float]:
    """The published preprocessing, a filter of the user's rows for each row, against conversion and one gather.

    The rival takes long and runs once.
    """
    source = folder / "some.csv"
    write_ratings(source, rows)
    began = time.perf_counter()
    expected = plain_preprocessing(source)
    plain = time.perf_counter() - began

    streams = (folder / f"some-{number}" for number in itertools.count())

    def preprocess() -> tuple[Path, Batch]:
        stream = next(streams)
        convert([source], stream, SETTINGS)
        log = open_stream(stream)
        return stream, log.batch(torch.arange(len(log)), HISTORY)

    ours = median(preprocess, repeat)
    stream, batch = preprocess()
    users, items = (read_names(stream, name).to_numpy() for name in ("users", "items"))
    real = torch.arange(HISTORY) < batch.history_length[:, None]
    history = np.where(real.numpy(), items[batch.history.numpy()], 0)
    found = [users[batch.user.numpy()], items[batch.item.numpy()], batch.label.numpy().astype(int), *history.T]
    if not np.array_equal(np.stack(found, axis=1), expected):
        sys.exit("the two preprocessings differ")
    return {"pandas: rows": rows, "pandas: seconds": plain, "ours: seconds": ours, "times faster": plain / ours}


def plain_preprocessing(source: Path) -> np.ndarray:
    """User, item, label and history of each row by time, latest first and padded with 0, int64 [rows, 3 + HISTORY]."""
    import pandas as pd

    table = pd.read_csv(source).sort_values("timestamp", kind="stable")
    table["label"] = (table["rating"] >= 4).astype(int)
    by_user = table.groupby("userId")
    out = np.zeros((len(table), 3 + HISTORY), dtype=np.int64)
    for place, row in enumerate(table.itertuples()):
        own = by_user.get_group(row.userId)
        past = own[(own["timestamp"] < row.timestamp) & (own["label"] == 1)]["movieId"].tolist()[::-1][:HISTORY]
        out[place, :3] = row.userId, row.movieId, row.label
        out[place, 3 : 3 + len(past)] = past
    return out


def loading(folder: Path, rows: int, repeat: int) -> dict[str, float]:
    """Shuffled mini-batches from memory and from a mapped stream, and what share of an epoch of training they take."""
    source = folder / "loaded.csv"
    write_ratings(source, rows)
    convert([source], folder / "loaded", SETTINGS)
    mapped = open_stream(folder / "loaded")
    memory = mapped.compact(torch.arange(len(mapped)), HISTORY)
    figures = {}
    for name, log in {"memory": memory, "mapped": mapped}.items():
        parts = permutation(len(log), 0).split(BATCH)

        def read(log: InteractionLog = log, parts: tuple[torch.Tensor, ...] = parts) -> None:
            for _ in MiniBatches(log, parts, HISTORY):
                pass

        read()  # the first pass maps the pages
        figures[f"loader, {name}: rows/s"] = rows / median(read, repeat)
    some = permutation(len(memory), 0)[: 100 * BATCH].split(BATCH)
    seconds = {"data": median(lambda: _epoch(memory, some), repeat)}
    model = EmbeddingMLP(memory.sizes)
    optimizer = Adam(model.parameters(), lr=1e-3)
    seconds["training"] = median(lambda: _epoch(memory, some, model, optimizer), repeat)
    return figures | {"loader: share of an incremental epoch": seconds["data"] / seconds["training"]}


def _epoch(log: InteractionLog, parts: tuple[torch.Tensor, ...], model: Any = None, optimizer: Any = None) -> None:
    for batch in MiniBatches(log, parts, HISTORY):
        if model is not None:
            optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(model(batch), batch.label).backward()
            optimizer.step()
