"""What a guard and a head add to a period of ASMG, and a period of the row generator beside one of the GRU."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from lightning import Callback, LightningModule, Trainer

from asmg_pl.generators import GRUGenerator, RowGenerator
from asmg_pl.updaters import ASMG, Guard, PrequentialHead, Updater
from benchmarks import workload
from benchmarks.walks import ZipfStream, fit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of a step."""
    workload.add_arguments(parser)
    parser.add_argument("--rows", type=int, default=50_000, help="rows of a period")


class PeriodClock(Callback):
    """Notes the processor seconds of each period, from the end of the one before to its own.

    Processor time leaves out what other programs do meanwhile.

    Attributes:
        seconds: by period, in order.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self.seconds: list[float] = []
        self._period = 0
        self._began = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A period begins with its first phase."""
        period = cast(Updater, pl_module).place.period
        if period != self._period:
            self._stop()
            self._period, self._began = period, time.process_time()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The last period ends with the walk."""
        self._stop()

    def _stop(self) -> None:
        if self._period:
            self.seconds.append(time.process_time() - self._began)


def measure(given: argparse.Namespace) -> dict[str, float]:
    """Median processor seconds of a period, after the window has filled."""
    torch.set_num_threads(given.threads)
    stream = ZipfStream(given, given.rows, given.window + 1 + given.repeat)
    gru = partial(GRUGenerator, hidden_size=given.hidden_size)
    methods: dict[str, Callable[..., ASMG]] = {
        "GRU": partial(ASMG, generator=gru, guard=None),
        "row generator": partial(ASMG, generator=RowGenerator, guard=None),
        "row generator, guard": partial(ASMG, generator=RowGenerator, guard=Guard()),
        "row generator, guard, head": partial(ASMG, generator=RowGenerator, guard=Guard(), head=PrequentialHead()),
    }
    found: dict[str, list[float]] = {name: [] for name in methods}
    for name in [*methods, *reversed(methods)]:  # there and back, so that a machine that slows down favours none
        clock = PeriodClock()
        fit(stream, partial(methods[name], window=given.window), [clock])
        found[name] += clock.seconds[-given.repeat :]
    seconds = {name: statistics.median(periods) for name, periods in found.items()}
    row = seconds["row generator"]
    return {
        **{f"{name}: s": each for name, each in seconds.items()},
        "row generator over GRU": row / seconds["GRU"],
        "guard over none": seconds["row generator, guard"] / row,
        "guard and head over none": seconds["row generator, guard, head"] / row,
    }
