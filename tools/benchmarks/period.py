"""A period of a walk: the generator's share against the incremental update, and Lightning against a bare loop."""

from __future__ import annotations

import argparse
import math
import statistics
from collections import defaultdict
from functools import partial

import torch

from asmg_pl.data.batch import Batch
from asmg_pl.updaters import ASMG, IncrementalUpdate, Updater
from asmg_pl.updaters.walking.phase import Phase
from benchmarks import workload
from benchmarks.phases import AfterPhases, bare
from benchmarks.timing import clock_of
from benchmarks.walks import ZipfStream, fit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of a step."""
    workload.add_arguments(parser)
    parser.add_argument("--rows", type=int, default=50_000, help="rows of a period")
    workload.add_generator(parser)


class Clock(AfterPhases):
    """Times each phase that trains, then the same phase once more in a bare loop around the same step.

    Attributes:
        lightning: seconds by phase, of each period.
        bare: the same of the bare loop.
    """

    def __init__(self, device: str) -> None:
        """Start with nothing."""
        super().__init__(clock_of(device))
        self.lightning: dict[str, list[float]] = defaultdict(list)
        self.bare: dict[str, list[float]] = defaultdict(list)

    def after(self, updater: Updater, phase: Phase, seconds: float) -> None:
        """Go over the phase's mini-batches again."""
        self.lightning[phase.name].append(seconds)
        with bare(updater):
            began = self.clock()
            for batch in updater.data.train_dataloader():
                phase.on_batch(batch)
            self.bare[phase.name].append(self.clock() - began)


class Idle(IncrementalUpdate):
    """Goes over the mini-batches and does nothing with them: what is left is the loop."""

    def update(self, batch: Batch) -> None:
        """No step."""


def measure(given: argparse.Namespace) -> dict[str, float]:
    """Median seconds of a period's phases, of the processor on the CPU."""
    torch.set_num_threads(given.threads)
    stream = ZipfStream(given, given.rows, given.window + 1 + given.repeat)
    clocks = {name: Clock(given.device) for name in ("incremental", "ASMG", "idle")}
    fit(stream, IncrementalUpdate, [clocks["incremental"]])
    fit(stream, partial(ASMG, generator=workload.generator_of(given), window=given.window), [clocks["ASMG"]])
    fit(stream, Idle, [clocks["idle"]])
    phases = {"update": clocks["incremental"], "generate": clocks["ASMG"]}
    # The first periods warm up; the last ones have a generator phase each.
    lightning = {phase: statistics.median(clock.lightning[phase][-given.repeat :]) for phase, clock in phases.items()}
    alone = {phase: statistics.median(clock.bare[phase][-given.repeat :]) for phase, clock in phases.items()}
    idle = clocks["idle"]
    empty, data = (statistics.median(found["update"][-given.repeat :]) for found in (idle.lightning, idle.bare))
    milliseconds = 1e3 / math.ceil(given.rows / given.batch_size)  # of a step, for a phase's second
    return {
        "rows of a period": given.rows,
        "incremental update: s": lightning["update"],
        "generator: s": lightning["generate"],
        "generator over incremental update": lightning["generate"] / lightning["update"],
        "Lightning over a bare loop, incremental update": lightning["update"] / alone["update"],
        "Lightning over a bare loop, generator": lightning["generate"] / alone["generate"],
        "step of the incremental update: ms": alone["update"] * milliseconds,
        "Lightning around a step that does nothing: ms": (empty - data) * milliseconds,
    }
