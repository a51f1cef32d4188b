"""A walk whose periods are too short for its mini-batches: the base model takes a few steps, and hardly follows."""

from __future__ import annotations

from statistics import median

from asmg_pl.updaters.base import Updater

#: Optimiser steps of a period, below which a walk says what to change.
FEW = 20


def few_steps(updater: Updater) -> str | None:
    """What to change if the base model takes few steps in most periods, and ``None`` if it takes enough of them.

    Of settings that race, the one with the most steps counts.
    """
    data, race = updater.data, updater.race
    walked = range(updater.pretrain_periods + 1, updater.last_period + 1)
    steps, batch, passes = 0.0, data.batch_size, 1
    for number, setting in enumerate(race.settings):
        readings = [
            [phase.reading for phase in race.phases_with(updater, number, period) if phase.name == "update"]
            for period in walked
        ]
        counts = [sum(map(data.mini_batches, found)) / data.accumulate for found in readings if found]
        if counts and median(counts) > steps:
            steps, batch, passes = median(counts), setting.batch_size or data.batch_size, setting.passes
    if not 0 < steps < FEW:
        return None
    size = _enough(median(len(data.rows_of(period)) for period in walked) * passes, batch)
    racing = len({setting.batch_size for setting in race.settings}) > 1
    option = "model.self_tuning.batch_sizes" if racing else "model.batch_size or data.batch_size"
    smaller = f"lower {option}, e.g. to {size}, or " if size else ""
    return (
        f"the base model takes about {steps:.0f} optimiser step{'s' * (round(steps) != 1)} a period, with mini-batches "
        f"of {batch:,} rows, and may learn too little from each: {smaller}raise model.passes, or cut time coarser "
        "(data.periods)"
    )


def _enough(rows: float, batch: int) -> int | None:
    """The largest power of two below a mini-batch's rows that makes enough mini-batches; ``None`` if none does."""
    return next((size for size in (2**n for n in range(12, 2, -1)) if size < batch and rows / size >= FEW), None)
