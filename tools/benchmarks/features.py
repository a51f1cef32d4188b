"""Rows of Criteo's form, 13 numbers and 26 categories: their conversion, and training beside the plain form.

Two loops stand beside a training step. The same layers in a bare loop, with one table of the rows that a mini-batch
touches, found ahead, show what PyTorch alone takes. The layers' products alone, and the touched rows read and written
once, are what no program leaves out.
"""

from __future__ import annotations

import argparse
import copy
import ctypes
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asmg_pl.convert import Settings, convert
from asmg_pl.data.kernels import appearance
from asmg_pl.data.log import InteractionLog
from asmg_pl.data.mini_batches.loader import MiniBatches, permutation
from asmg_pl.data.stream import open_stream
from asmg_pl.recommenders import DeepFM, EmbeddingMLP, Recommender
from asmg_pl.system.compiled import library
from asmg_pl.updaters.optim.lazy_adam import LazyAdam
from benchmarks.timing import medians

NUMBERS = tuple(f"n{number}" for number in range(1, 14))
CATEGORIES = tuple(f"c{number}" for number in range(1, 27))
SIZES = [int(10 ** (1 + 5 * place / 25)) for place in range(26)]  # from 10 to a million values
USERS, ITEMS, HISTORY, BATCH, STEPS = 45_000, 51_000, 30, 1024, 20
_CHUNK = 500_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes."""
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows to convert and to train on")
    parser.add_argument("--repeat", type=int, default=5, help="turns of training whose median is taken")
    parser.add_argument("--threads", type=int, default=1, help="of torch")


def measure(given: argparse.Namespace) -> dict[str, float]:
    """All figures by name; those of the processor count all threads."""
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        folder = Path(place)
        source = folder / "rows.csv"
        write_rows(source, given.rows)
        plain = Settings("user", "item", "time", label="click", ids="as-written")
        features = replace(plain, user="none", item="none", numbers=NUMBERS, context=CATEGORIES)
        wall, processor = time.perf_counter(), time.process_time()
        convert([source], folder / "features", features)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        figures = {
            "convert: rows": given.rows,
            "convert: rows/s": given.rows / wall,
            "convert: rows per processor second": given.rows / processor,
            "convert: peak MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        figures |= alone(source, given.rows)
        convert([source], folder / "plain", plain)
        return figures | training(folder, given.repeat)


def alone(source: Path, rows: int) -> dict[str, float]:
    """The rows that a processor second takes through what a conversion cannot do without, with nothing around it."""
    figures: dict[str, float] = {}
    began = time.process_time()
    table = pl.read_csv(source, infer_schema=False)
    figures["convert: pl.read_csv alone: rows per processor second"] = rows / (time.process_time() - began)
    if appearance.computes(rows):
        began = time.process_time()
        for name in CATEGORIES:
            appearance.number(table[name].fill_null(""))
        figures["convert: numbers of categories alone: rows per processor second"] = rows / (
            time.process_time() - began
        )
    return figures


def training(folder: Path, repeat: int) -> dict[str, float]:
    """The rows that a processor second trains on, with their gathering, and the ratio of the two forms."""
    figures: dict[str, float] = {}
    kinds: tuple[type[EmbeddingMLP] | type[DeepFM], ...] = (EmbeddingMLP, DeepFM)
    for kind in kinds:
        name = kind.__name__
        logs = {form: open_stream(folder / form) for form in ("plain", "features")}
        models: dict[str, EmbeddingMLP | DeepFM] = {form: kind(log.sizes) for form, log in logs.items()}
        optimizers = {form: LazyAdam(model.parameters(), 1e-3, model) for form, model in models.items()}
        calls: dict[str, Callable[[], None]] = {}
        for form, log in logs.items():
            rows = permutation(len(log), 0)[: STEPS * BATCH].clone()  # a pass draws once for all of its steps
            calls[form] = partial(steps, log, rows, models[form], optimizers[form])
        calls["bare"] = bare(logs["features"], models["features"])
        calls["products"], calls["rows"] = floor(logs["features"], models["features"])
        taken = medians(calls, repeat, time.process_time)
        figures |= {f"{name}, {form}: rows per processor second": STEPS * BATCH / taken[form] for form in calls}
        figures[f"{name}, features over plain"] = taken["plain"] / taken["features"]
        figures[f"{name}, bare loop of the features over plain"] = taken["plain"] / taken["bare"]
        needed = taken["products"] + taken["rows"]
        figures[f"{name}, products and rows alone over plain"] = taken["plain"] / needed
    return figures


def bare(log: InteractionLog, model: EmbeddingMLP | DeepFM) -> Callable[[], None]:
    """As many steps of a model's layers on the categories of one mini-batch, whose rows stand in one small table."""
    batch = next(iter(MiniBatches(log, [permutation(len(log), 0)[:BATCH]], 0)))
    assert batch.context is not None
    apart = batch.context + torch.arange(len(CATEGORIES)) * 2**32
    rows, place = apart.unique(return_inverse=True)
    mlp, fm = copy.deepcopy(model.mlp), isinstance(model, DeepFM)
    width = model.table("item").shape[1]
    table = nn.Parameter(torch.randn(len(rows), width + fm) / 10)
    inputs = next(layer.in_features for layer in mlp if isinstance(layer, nn.Linear))
    others = torch.randn(BATCH, inputs - len(CATEGORIES) * width)  # the other fields, at hand
    optimizer = torch.optim.Adam([table, *mlp.parameters()], 1e-3, fused=True)

    def again() -> None:
        for _ in range(STEPS):
            optimizer.zero_grad()
            found = F.embedding(place, table)
            vectors = found[..., :width]
            logits = mlp(torch.cat([vectors.flatten(1), others], dim=1)).squeeze(-1)
            if fm:
                pairs = vectors.sum(1).square() - vectors.square().sum(1)
                logits = logits + found[..., width].sum(1) + pairs.sum(1) / 2
            F.binary_cross_entropy_with_logits(logits, batch.label).backward()
            optimizer.step()

    return again


def floor(log: InteractionLog, model: EmbeddingMLP | DeepFM) -> tuple[Callable[[], None], Callable[[], None]]:
    """What no program leaves out of as many steps: the layers' products; and the rows, read and written.

    The products are those of each layer with its input, and of its slope with its input and with its weight. Of each
    row that a mini-batch touches, the vector and its two moments are read and written once; the rows are found ahead.
    """
    weights = [layer.weight.detach() for layer in model.mlp if isinstance(layer, nn.Linear)]
    layers = [(weight, given := torch.randn(BATCH, weight.shape[1]), given @ weight.T) for weight in weights]
    made = [(torch.empty_like(weight), torch.empty_like(given), torch.empty_like(out)) for weight, given, out in layers]
    begins = torch.tensor([0, *SIZES[:-1]]).cumsum(0)
    passes = MiniBatches(log, permutation(len(log), 0)[: STEPS * BATCH].split(BATCH), 0)
    touched = [(batch.context + begins).unique() for batch in passes if batch.context is not None]
    width = model.table("item").shape[1] + isinstance(model, DeepFM)
    states = [torch.randn(sum(SIZES), width) for _ in range(3)]
    places = (ctypes.c_void_p * len(states))(*(state.data_ptr() for state in states))
    touch = library(Path(__file__).with_name("rows.cpp")).touch
    touch.argtypes = [ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]

    def products() -> None:
        for _ in range(STEPS):
            for (weight, given, out), (by_weight, by_given, again) in zip(layers, made, strict=True):
                torch.mm(given, weight.T, out=again)
                torch.mm(out.T, given, out=by_weight)
                torch.mm(out, weight, out=by_given)

    def rows() -> None:
        for these in touched:
            touch(len(these), these.data_ptr(), width, len(states), places)

    return products, rows


def steps(log: InteractionLog, rows: Tensor, model: Recommender, optimizer: LazyAdam) -> None:
    """A few steps of the plain update on rows, int64 [n]."""
    history = 0 if log.longest_history == 0 else HISTORY
    for batch in MiniBatches(log, rows.split(BATCH), history):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(model(batch), batch.label).backward()
        optimizer.step()


def write_rows(path: Path, rows: int) -> None:
    """Write rows like Criteo's; most of a category's rows have few of its values, which are 8 hexadecimal digits."""
    draw = np.random.default_rng(0)
    with path.open("wb") as file:
        for begin in range(0, rows, _CHUNK):
            count = min(_CHUNK, rows - begin)
            table: dict[str, np.ndarray | pl.Series] = {
                "click": draw.integers(0, 2, count),
                "time": 1_388_534_400 + np.arange(begin, begin + count) // 76,
                "user": _frequent(draw, USERS, count),
                "item": _frequent(draw, ITEMS, count),
            }
            for name in NUMBERS:
                value = pl.Series(draw.exponential(50, count).astype(np.int64))
                table[name] = value.set(pl.Series(draw.random(count) < 0.15), None)
            for place, size in enumerate(SIZES):
                known, there = np.unique(_frequent(draw, size, count), return_inverse=True)
                texts = [f"{(int(one) * 2654435761 + place) % 2**32:08x}" for one in known]
                table[CATEGORIES[place]] = pl.Series(texts).gather(there)
            pl.DataFrame(table).write_csv(file, include_header=begin == 0)


def _frequent(draw: np.random.Generator, size: int, count: int) -> np.ndarray:
    """Draw values below a size, the lower ones more often, int64 [count]."""
    return (size * draw.random(count) ** 3).astype(np.int64)
