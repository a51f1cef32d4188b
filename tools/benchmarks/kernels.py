"""The cells of a table: plain operations, the device's own kernel and, on a GPU, ``torch.compile``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import torch

from asmg_pl.generators import GRUGenerator
from asmg_pl.generators.kernels.base import Kernel
from asmg_pl.generators.kernels.fused import FusedWindow
from asmg_pl.generators.stored import StoredRows
from benchmarks import workload
from benchmarks.timing import medians
from benchmarks.workload import Workload


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of a step."""
    workload.add_arguments(parser)
    parser.add_argument("--rows", type=int, default=200_000, help="rows that are touched, anywhere in a table")


def measure(given: argparse.Namespace) -> dict[str, float]:
    """Median milliseconds on the rows that a step touches, and bytes that must be read and written per second."""
    torch.set_num_threads(given.threads)
    updater = Workload(given, max(1, -(-given.rows // given.items))).updater()
    generator = updater.generator
    assert isinstance(generator, GRUGenerator)
    rows = torch.randperm(len(updater.recommender.table("item")))[: given.rows].to(given.device)
    stored = updater.history.stored("item", rows)
    kernels: dict[str, Kernel | None] = {"plain operations": None}
    if generator.kernel is not None:
        kernels[generator.computed_by] = generator.kernel
    if given.device != "cpu":  # where the compiler takes minutes
        kernels["torch.compile"] = FusedWindow(torch.device(given.device))
    calls: dict[str, Callable[[], object]] = {}
    for name, kernel in kernels.items():
        calls[f"{name}, forward"] = partial(_forward, generator, kernel, stored)
        calls[f"{name}, forward and backward"] = partial(_backward, generator, kernel, stored)
    values = given.rows * given.embedding_dim
    read, write = 4 * values * (given.window + given.hidden_size), 4 * values * given.window
    source = torch.rand((read + write) // 8, device=given.device)
    target = torch.empty_like(source)
    calls["copy"] = lambda: target.copy_(source)
    taken = medians(calls, given.repeat)
    copied = (read + write) / taken.pop("copy") / 1e9
    figures = {f"{name}: ms": 1e3 * seconds for name, seconds in taken.items()}
    for name in kernels:
        figures[f"{name}, forward: GB/s"] = speed = (read + write) / taken[f"{name}, forward"] / 1e9
        figures[f"{name}, forward: share of a copy's speed"] = speed / copied
    return figures | {"copying as many bytes: GB/s": copied}


def _forward(generator: GRUGenerator, kernel: Kernel | None, stored: StoredRows) -> torch.Tensor:
    generator.kernel = kernel
    with torch.no_grad():
        return generator.generate_stored("item", stored)


def _backward(generator: GRUGenerator, kernel: Kernel | None, stored: StoredRows) -> None:
    generator.kernel = kernel
    made = generator.generate_stored("item", stored)
    made.backward(torch.ones_like(made))
