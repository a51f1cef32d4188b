"""Steps while the tables grow and the rows touched do not."""

from __future__ import annotations

import argparse

import torch

from benchmarks import workload
from benchmarks.step import base_step, generator_step
from benchmarks.timing import medians
from benchmarks.workload import Workload

TIMES = (1, 10, 100)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of a step."""
    workload.add_arguments(parser)
    parser.add_argument("--times", type=int, nargs="+", default=TIMES, help="how many times larger the tables are")


def measure(given: argparse.Namespace) -> dict[str, float]:
    """Median milliseconds of each kind of step for each size, and the largest over the smallest."""
    torch.set_num_threads(given.threads)
    calls = {}
    for times in given.times:
        drawn = Workload(given, times)
        updater = drawn.updater()
        calls[f"generator, tables × {times}"] = generator_step(updater, drawn)
        calls[f"incremental by rows, tables × {times}"] = base_step(updater, drawn, row_wise=True)
        calls[f"incremental, tables × {times}"] = base_step(updater, drawn)
    taken = medians(calls, given.repeat)
    first, last = given.times[0], given.times[-1]
    kinds = ("generator", "incremental by rows", "incremental")
    return {f"{name}: ms": 1e3 * seconds for name, seconds in taken.items()} | {
        f"{kind}, × {last} over × {first}": taken[f"{kind}, tables × {last}"] / taken[f"{kind}, tables × {first}"]
        for kind in kinds
    }
