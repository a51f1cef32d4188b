"""Timing things against each other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch


def now() -> float:
    """The clock in seconds, once a GPU has done all that it was given."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


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


def median(call: Callable[[], object], repeat: int) -> float:
    """Median seconds of a call."""
    return medians({"": call}, repeat)[""]
