"""The parts of a step of the plain update, one after the other, and how much of it all C++ kernels take together.

What the kernels take is the arithmetic with nothing around it. The rest is Python, and autograd's own work.
"""

from __future__ import annotations

import argparse
import ctypes
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from asmg_pl.data.mini_batches.loader import MiniBatches, permutation
from asmg_pl.system import compiled
from asmg_pl.updaters import IncrementalUpdate
from benchmarks import workload
from benchmarks.walks import ZipfStream

#: Mini-batches of a turn.
STEPS = 60

Clock = Callable[[str], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of a step."""
    workload.add_arguments(parser)


def measure(given: argparse.Namespace) -> dict[str, float]:
    """Milliseconds of each part of a step, of the processor: the least of the turns, each a mean over its steps."""
    torch.set_num_threads(given.threads)
    with _kernels() as kernels:
        log = ZipfStream(given, STEPS * given.batch_size, 1).read(None)
        torch.manual_seed(0)
        updater = IncrementalUpdate(log.sizes, pretrain_periods=0, pretrain_epochs=0)
        optimizer = updater.configure_optimizers()[0]
        rows = permutation(len(log), 0).split(given.batch_size)

        def turn(clock: Clock) -> None:
            batches = iter(MiniBatches(log, rows, given.history))
            clock("")
            while (batch := next(batches, None)) is not None:
                clock("gathering the mini-batch")
                logits = updater.recommender(batch)
                clock("forward")
                loss = updater.objective.loss(logits, batch)
                clock("loss")
                optimizer.zero_grad()
                clock("zero_grad")
                loss.backward()
                clock("backward")
                optimizer.step()
                clock("Adam")

        turn(lambda part: None)
        turns = [_timed(turn) for _ in range(given.repeat)]
        found = {f"{part}: ms": min(each[part] for each in turns) for part in turns[0]}
        found["the whole step: ms"] = min(sum(each.values()) for each in turns)
        found["of which in C++ kernels: ms"] = _inside(kernels, turn, given.repeat)
    return found


def _timed(turn: Callable[[Clock], None]) -> dict[str, float]:
    """Milliseconds of a step by part, of one turn."""
    seconds: dict[str, float] = defaultdict(float)
    latest = time.process_time()

    def clock(part: str) -> None:
        nonlocal latest
        now = time.process_time()
        if part:
            seconds[part] += now - latest
        latest = now

    turn(clock)
    return {part: 1e3 * each / STEPS for part, each in seconds.items()}


def _inside(kernels: list[ctypes.CDLL], turn: Callable[[Clock], None], repeat: int) -> float:
    """Milliseconds of a step within the functions of kernels."""
    spent = 0.0

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal spent
            began = time.process_time()
            found = function(*arguments)
            spent += time.process_time() - began
            return found

        return call

    functions = [(kernel, name, each) for kernel in kernels for name, each in vars(kernel).items() if _called(each)]
    for kernel, name, function in functions:
        setattr(kernel, name, timed(function))
    turns = []
    for _ in range(repeat):
        spent = 0.0
        turn(lambda part: None)
        turns.append(1e3 * spent / STEPS)
    for kernel, name, function in functions:
        setattr(kernel, name, function)
    return min(turns)


def _called(attribute: object) -> bool:
    """Whether an attribute of a library is a function that has been given its arguments' types."""
    return getattr(attribute, "argtypes", None) is not None


@contextmanager
def _kernels() -> Iterator[list[ctypes.CDLL]]:
    """The kernels that this process loads for the first time from now on."""
    real = compiled.library
    kernels: list[ctypes.CDLL] = []

    def library(source: Path, **sizes: int) -> ctypes.CDLL:
        kernel = real(source, **sizes)
        if all(kernel is not other for other in kernels):
            kernels.append(kernel)
        return kernel

    with (
        patch.object(compiled, "library", library),
        patch("asmg_pl.recommenders.kernels.fields.library", library),
    ):
        yield kernels
