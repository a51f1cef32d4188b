"""Peak memory of a walk of ASMG over that of the incremental update, in sizes of the base model."""

from __future__ import annotations

import argparse
import multiprocessing
from functools import partial
from pathlib import Path

import torch

from asmg_pl.generators import GRUGenerator
from asmg_pl.updaters import ASMG, IncrementalUpdate, Updater
from asmg_pl.updaters.memory import size_of
from benchmarks import workload
from benchmarks.walks import ZipfStream, fit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of a step, with tables that are large beside the workspace of a step."""
    workload.add_arguments(parser)
    parser.set_defaults(users=2_000_000, items=2_000_000, categories=0)
    parser.add_argument("--rows", type=int, default=4096, help="rows of a period")


def measure(given: argparse.Namespace) -> dict[str, float]:
    """Peaks of two walks, each in a process of its own."""
    peaks, size = {}, 0
    for name in ("incremental", "ASMG"):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            peaks[name], size = pool.apply(_peak, (given, name))
    over = (peaks["ASMG"] - peaks["incremental"]) / size
    return {
        "base model: MiB": size / 2**20,
        "incremental: peak MiB": peaks["incremental"] / 2**20,
        "ASMG: peak MiB": peaks["ASMG"] / 2**20,
        "ASMG over incremental, in base models": over,
        "k + 1 + H": given.window + 1 + given.hidden_size,
    }


def _peak(given: argparse.Namespace, name: str) -> tuple[int, int]:
    torch.set_num_threads(given.threads)
    method: type[Updater] | partial[ASMG] = IncrementalUpdate
    if name == "ASMG":
        method = partial(ASMG, generator=partial(GRUGenerator, hidden_size=given.hidden_size), window=given.window)
    updater = fit(ZipfStream(given, given.rows, given.window + 3), method)
    return _high_water(torch.device(given.device)), size_of(updater.recommender)


def _high_water(device: torch.device) -> int:
    """The peak in bytes: of the tensors on a GPU, and else of the process.

    The process's own file tells it, since ``ru_maxrss`` would begin with the peak of the process that started this one.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])
