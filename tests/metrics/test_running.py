"""Sums that grow along a walk are those of all numbers at once, bit for bit."""

from __future__ import annotations

import math
import random

from asmg_pl.metrics.running import RunningSum


def test_a_running_sum_is_the_sum_at_each_step() -> None:
    draw, running, numbers = random.Random(0), RunningSum(), []
    for _ in range(500):
        numbers.append(draw.choice((1, -1)) * 10.0 ** draw.uniform(-18, 18))
        assert running.total(0.1) == math.fsum([*numbers[:-1], 0.1])
        running.add(numbers[-1])
        assert running.total() == math.fsum(numbers)


def test_a_number_that_is_not_finite_spoils_the_sum_as_in_any_sum() -> None:
    running = RunningSum()
    running.add(math.inf)
    running.add(1.0)
    assert running.total() == math.inf
    running.add(math.nan)
    assert math.isnan(running.total())
