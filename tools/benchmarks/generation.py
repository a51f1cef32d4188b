"""Making the serving model, against plain operations and the memory's own speed."""

from __future__ import annotations

import argparse

import torch

from benchmarks import workload
from benchmarks.timing import clock_of, medians, now
from benchmarks.whole_table import WholeTable
from benchmarks.workload import Workload


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of a step."""
    workload.add_arguments(parser)
    parser.add_argument("--times", type=int, default=10, help="how many times larger the tables are")


@torch.no_grad()
def measure(given: argparse.Namespace) -> dict[str, float]:
    """Median seconds, and the bytes that must be moved: k snapshots and H of state in, one model out.

    Seconds are of the processor with one thread, and of the wall clock with several.
    """
    torch.set_num_threads(given.threads)
    updater = Workload(given, given.times).updater()
    rival = WholeTable(updater)
    cells = sum(table.numel() for table in updater.recommender.table_parameters().values())
    moved = 4 * cells * (given.window + given.hidden_size + 1)
    source = torch.rand(moved // 8, device=given.device)
    target = torch.empty_like(source)
    calls = {"ours": updater.make_generated, "plain": rival.models, "copy": lambda: target.copy_(source)}
    taken = medians(calls, given.repeat, clock_of(given.device) if given.threads == 1 else now)
    newest, _ = rival.models()[-1]
    tables = updater.generated.table_parameters()
    off = max(float((tables[name] - values).abs().max()) for name, values in newest.items())
    return {
        "coordinates": cells,
        "serving model: ms": 1e3 * taken["ours"],
        "whole tables, plain operations: ms": 1e3 * taken["plain"],
        "times faster": taken["plain"] / taken["ours"],
        "largest difference": off,
        "serving model: GB/s": moved / taken["ours"] / 1e9,
        "copying as many bytes: GB/s": moved / taken["copy"] / 1e9,
        "nanoseconds a coordinate and step": 1e9 * taken["ours"] / cells / given.window,
    }
