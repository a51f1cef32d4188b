"""Stages of a day that no other part measures: new and known ids in a stream, checkpoints, and packages.

Each grows with the ids, and costs something without any, so that the cost of an id is the slope between two sizes.
Seconds are the processor's, of all threads: a disk's speed is another's.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
import torch

from asmg_pl.checkpoints.io import AtomicCheckpointIO
from asmg_pl.convert import Settings, convert
from asmg_pl.data.sizes import Sizes
from asmg_pl.recommenders import EmbeddingMLP
from asmg_pl.serving import load, write
from asmg_pl.serving.drawn import drawn_contents

HISTORY = 30
SETTINGS = Settings(user="user", item="item", time="time", label="label")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes."""
    parser.add_argument("--ids", type=int, default=2_000_000, help="ids, half of them users and half items")
    parser.add_argument("--width", type=int, default=8, help="width of the embeddings, D")


def measure(given: argparse.Namespace) -> dict[str, float]:
    """All figures by name."""
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        few, many = (
            _totals(Path(place) / f"{count}", count, given.width) for count in (given.ids // 20, given.ids // 2)
        )
    slopes = {name: (many[name] - few[name]) / (given.ids // 2 - given.ids // 20) for name in many}
    return {
        "stream: bytes of a row of text": slopes["text"],
        "stream: bytes of a row with a new user and a new item": slopes["stream"],
        "convert, every id new: processor microseconds a row": 1e6 * slopes["convert"],
        "convert --append of one row: processor microseconds for each known id": 1e6 * slopes["append"] / 2,
        "convert --append of one row: bytes for each known id": slopes["index"] / 2,
        "checkpoint: GB for each processor second": 3 * 2 * 4 * given.width / slopes["checkpoint"] / 1e9,
        "package: bytes for each id": slopes["package"] / 2,
        "package, written: processor microseconds for each id": 1e6 * slopes["write"] / 2,
        "package, loaded: processor microseconds for each id": 1e6 * slopes["load"] / 2,
    }


def _totals(folder: Path, count: int, width: int) -> dict[str, float]:
    """Bytes and seconds with so many users and as many items."""
    folder.mkdir()
    return _stream(folder, count) | _checkpoint(folder, count, width) | _package(folder, count, width)


def _stream(folder: Path, count: int) -> dict[str, float]:
    """A stream in each of whose rows a user and an item appear, and rows of known ids that are appended, one each time.

    The first append imports and warms up.
    """
    rows, out = folder / "rows.csv", folder / "stream"
    order = np.random.default_rng(0).permutation(count)
    table = pl.DataFrame({"user": np.arange(count), "item": order, "time": 1_700_000_000 + np.arange(count)})
    table.with_columns(label=pl.col("item") % 2).write_csv(rows)
    began = time.process_time()
    convert([rows], out, SETTINGS)
    seconds, written = [time.process_time() - began], _bytes(out)
    for number in range(3):
        more = folder / f"{number}.csv"
        table[:1].with_columns(label=pl.lit(1), time=pl.lit(1_750_000_000 + number)).write_csv(more)
        began = time.process_time()
        convert([more], out, SETTINGS, append=True)
        seconds.append(time.process_time() - began)
    index = next(out.glob("index-*"))
    return {
        "text": rows.stat().st_size,
        "stream": written,
        "index": _bytes(index),
        "convert": seconds[0],
        "append": min(seconds[2:]),
    }


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _checkpoint(folder: Path, count: int, width: int) -> dict[str, float]:
    """A file with as many numbers as the tables and their two moments."""
    tables = {f"{n}": torch.rand(2 * count, width) for n in range(3)}
    began = time.process_time()
    AtomicCheckpointIO().save_checkpoint({"state_dict": tables}, folder / "walk.ckpt")
    return {"checkpoint": time.process_time() - began}


def _package(folder: Path, count: int, width: int) -> dict[str, float]:
    """A package with histories of all users."""
    contents = drawn_contents(lambda sizes: EmbeddingMLP(sizes, width), Sizes(count, count), HISTORY, strings=False)
    began = time.process_time()
    write(contents, folder / "package")
    middle = time.process_time()
    load(folder / "package")
    ended = time.process_time()
    return {"package": _bytes(folder / "package"), "write": middle - began, "load": ended - middle}
