"""A step of the generator, against the whole-table algorithm and the incremental update's step."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from asmg_pl.updaters import ASMG, Updater
from asmg_pl.updaters.optim.adam import Adam, RowAdam
from asmg_pl.updaters.optim.lazy_adam import LazyAdam
from benchmarks.timing import clock_of, medians
from benchmarks.whole_table import WholeTable
from benchmarks.workload import Workload, add_arguments

__all__ = ["add_arguments", "base_step", "generator_step", "measure"]


def step_on(optimizer: torch.optim.Optimizer, loss: Callable[[], Tensor]) -> Callable[[], None]:
    """A step of an optimiser on a loss, without a trainer."""

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step


def generator_step(updater: ASMG, workload: Workload) -> Callable[[], None]:
    """One step of the generator on the next k mini-batches."""
    steps = workload.steps()
    return step_on(Adam(updater.generator.parameters(), lr=1e-4), lambda: updater.generator_loss(next(steps)))


def base_step(
    updater: Updater, workload: Workload, row_wise: bool = False, lazy: bool | None = False
) -> Callable[[], None]:
    """One step of the base model on the next mini-batch."""
    steps, recommender = workload.steps(), updater.recommender
    if lazy is not False:  # the optimiser belongs to its model from now on
        optimizer: Adam = LazyAdam(recommender.parameters(), 1e-4, recommender, always=bool(lazy))
    else:
        optimizer = (RowAdam if row_wise else Adam)(recommender.parameters(), lr=1e-4)

    def loss() -> Tensor:
        recommender.row_wise = row_wise
        return updater.cross_entropy(next(steps)[0])

    return step_on(optimizer, loss)


def measure(given: argparse.Namespace) -> dict[str, float]:
    """All figures by name; seconds are medians, of the processor on the CPU."""
    torch.set_num_threads(given.threads)
    workload = Workload(given)
    updater = workload.updater()
    rival = WholeTable(updater)
    batches = tuple(next(workload.steps(1)))
    if not torch.allclose(updater.generator_loss(batches), rival.loss(batches), atol=1e-5):
        sys.exit("the two algorithms differ")
    steps = workload.steps()
    whole = step_on(Adam(updater.generator.parameters(), lr=1e-4), lambda: rival.loss(next(steps)))
    ours = generator_step(updater, workload)
    calls = {"ours": ours, "whole": whole, "base": base_step(workload.updater(), workload)}
    taken = medians(calls, given.repeat, clock_of(given.device))
    touched = len(torch.cat([updater.recommender.lookups(batch)["item"].flatten() for batch in batches]).unique())
    return {
        "item rows touched": touched,
        "generator step: ms": 1e3 * taken["ours"],
        "whole tables, plain operations: ms": 1e3 * taken["whole"],
        "times faster": taken["whole"] / taken["ours"],
        "incremental step: ms": 1e3 * taken["base"],
        "generator step over incremental step": taken["ours"] / taken["base"],
    }
