"""Timing things against each other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch


def now() -> float:
    """The clock in seconds, once a GPU has done all that it was given."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


def clock_of(device: str) -> Callable[[], float]:
    """What times work on a device: the processor's seconds on the CPU, which other programs do not add to."""
    return time.process_time if device == "cpu" else now


def medians(
    calls: Mapping[str, Callable[[], object]], repeat: int, clock: Callable[[], float] = now
) -> dict[str, float]:
    """Median seconds of each call, by name.

    The calls take turns, so that all of them see the same changes of the machine's speed; a first round is not counted.

    Args:
        calls: what is timed.
        repeat: how often.
        clock: gives the time in seconds; :func:`time.process_time` where other programs keep the machine busy.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(repeat + 1):
        for name, call in calls.items():
            began = clock()
            call()
            if number:
                seconds[name].append(clock() - began)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def in_turns(calls: Mapping[str, Sequence[Callable[[], object]]]) -> dict[str, list[tuple[float, float]]]:
    """Seconds of each call, by name: of the wall clock, and of the processor that this thread has had.

    The n-th calls of all names follow each other, so that a pair of them sees the machine in one state.
    """
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for turn in zip(*calls.values(), strict=True):
        for name, call in zip(calls, turn, strict=True):
            began, used = time.perf_counter(), time.thread_time()
            call()
            seconds[name].append((time.perf_counter() - began, time.thread_time() - used))
    return seconds


def median(call: Callable[[], object], repeat: int) -> float:
    """Median seconds of a call."""
    return medians({"": call}, repeat)[""]
