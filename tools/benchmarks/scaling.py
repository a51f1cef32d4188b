"""Steps while the tables grow and the rows touched do not, in processor time unless a GPU takes them.

Rows of larger tables lie further apart in memory. What this alone costs is measured beside: the touched rows are read
and written with their two moments, and nothing is computed.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from functools import partial

import torch

from asmg_pl.recommenders import EmbeddingMLP, Recommender
from asmg_pl.updaters import IncrementalUpdate
from benchmarks import workload
from benchmarks.step import base_step, generator_step
from benchmarks.timing import medians, now
from benchmarks.workload import Workload

TIMES = (1, 10, 100)

#: Kinds of steps in which rows wait, with the setting ``lazy_tables``: the automatic choice, and every table.
WAITING = {"rows that wait": None, "all tables wait": True}


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
        for kind, lazy in WAITING.items():
            # Rows wait for one optimiser, so that these steps have a model of their own.
            plain = IncrementalUpdate(
                drawn.sizes, recommender=partial(EmbeddingMLP, embedding_dim=given.embedding_dim), pretrain_periods=0
            )
            calls[f"incremental, {kind}, tables × {times}"] = base_step(plain.to(given.device), drawn, lazy=lazy)
        calls[f"touched rows alone, tables × {times}"] = touched_alone(updater.recommender, drawn)
    taken = medians(calls, given.repeat, now if given.device == "cuda" else time.process_time)
    first, last = given.times[0], given.times[-1]
    waiting = [f"incremental, {kind}" for kind in WAITING]
    kinds = ["generator", "incremental by rows", "incremental", *waiting]
    small, large = (taken[f"touched rows alone, tables × {times}"] for times in (first, last))
    return (
        {f"{name}: ms": 1e3 * seconds for name, seconds in taken.items()}
        | {
            f"{kind}, × {last} over × {first}": taken[f"{kind}, tables × {last}"] / taken[f"{kind}, tables × {first}"]
            for kind in kinds
        }
        | {
            f"{kind}, over dense steps, × {times}": taken[f"{kind}, tables × {times}"]
            / taken[f"incremental, tables × {times}"]
            for kind in waiting
            for times in given.times
        }
        | {
            f"{kind}, × {last} over × {first}, if distance in memory alone cost": 1
            + (large - small) / taken[f"{kind}, tables × {first}"]
            for kind in waiting
        }
    )


def touched_alone(recommender: Recommender, drawn: Workload) -> Callable[[], None]:
    """Reads and writes the rows that the next mini-batch touches, and two moments of each."""
    tables = recommender.table_parameters()
    arrays = {name: [torch.rand_like(table) for _ in range(3)] for name, table in tables.items()}
    asked = [recommender.lookups(batch) for batch, *_ in itertools.islice(drawn.steps(), 5)]
    rows = itertools.cycle([{name: ids.unique() for name, ids in found.items()} for found in asked])

    def touch() -> None:
        for name, ids in next(rows).items():
            for array in arrays[name]:
                array.index_copy_(0, ids, array.index_select(0, ids))

    return touch
