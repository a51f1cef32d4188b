"""What a guard and a head add to a period of ASMG, and a period of the row generator beside one of the GRU.

A guard scores a model more for each blend. Without a blend, what it adds are the metrics of its candidates.

The walks take turns, a period each, so that they meet the same machine; a ratio is the median over their periods.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Condition
from typing import cast

import numpy as np
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


class Turns:
    """Lets threads work in turns, one at a time."""

    def __init__(self, names: Sequence[str]) -> None:
        """Begin with the first of them."""
        self._order, self._moved = list(names), Condition()

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Wait for a first turn, and take part until the work is done."""
        with self._moved:
            self._wait(name)
        try:
            yield
        finally:
            with self._moved:
                self._order.remove(name)
                self._moved.notify_all()

    def pass_on(self, name: str) -> None:
        """End a turn, and wait for the next one."""
        with self._moved:
            self._order.append(self._order.pop(0))
            self._moved.notify_all()
            self._wait(name)

    def _wait(self, name: str) -> None:
        self._moved.wait_for(lambda: self._order[0] == name)


class PeriodClock(Callback):
    """Notes the processor seconds of each period, from the end of the one before to its own; then passes the turn on.

    Processor time leaves out what other programs do meanwhile.

    Attributes:
        seconds: by period, in order.
    """

    def __init__(self, pass_on: Callable[[], None]) -> None:
        """Start with nothing."""
        self.seconds: list[float] = []
        self._pass_on = pass_on
        self._period = 0
        self._began = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A period begins with its first phase."""
        period = cast(Updater, pl_module).place.period
        if period != self._period:
            self._stop()
            self._pass_on()
            self._period, self._began = period, time.process_time()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The last period ends with the walk."""
        self._stop()

    def _stop(self) -> None:
        if self._period:
            self.seconds.append(time.process_time() - self._began)


def measure(given: argparse.Namespace) -> dict[str, float]:
    """Processor seconds of a period after the window has filled, and their ratios, as medians."""
    torch.set_num_threads(given.threads)
    stream = ZipfStream(given, given.rows, given.window + 1 + given.repeat)
    gru = partial(GRUGenerator, hidden_size=given.hidden_size)
    methods: dict[str, Callable[..., ASMG]] = {
        "GRU": partial(ASMG, generator=gru, guard=None),
        "row generator": partial(ASMG, generator=RowGenerator, guard=None),
        "row generator, guard": partial(ASMG, generator=RowGenerator, guard=Guard()),
        "row generator, guard, head": partial(ASMG, generator=RowGenerator, guard=Guard(), head=PrequentialHead()),
        "row generator, guard without blends, head": partial(
            ASMG, generator=RowGenerator, guard=Guard(blends=()), head=PrequentialHead()
        ),
    }
    turns = Turns([*methods])

    def seconds_of(name: str) -> np.ndarray:
        clock = PeriodClock(partial(turns.pass_on, name))
        with turns.held(name):
            fit(stream, partial(methods[name], window=given.window), [clock])
        return np.array(clock.seconds[-given.repeat :])

    with ThreadPoolExecutor(len(methods)) as pool:
        found = dict(zip(methods, pool.map(seconds_of, methods), strict=True))
    row = found["row generator"]
    return {
        **{f"{name}: s": float(np.median(each)) for name, each in found.items()},
        "row generator over GRU": float(np.median(row / found["GRU"])),
        "guard over none": float(np.median(found["row generator, guard"] / row)),
        "guard and head over none": float(np.median(found["row generator, guard, head"] / row)),
        "guard without blends and head over none": float(
            np.median(found["row generator, guard without blends, head"] / row)
        ),
    }
