"""What self-tuning has done: the settings of each period for ``schedule.csv``, and the outcome and its cost in words.

period  turn  learning_rate  batch_size  passes  logloss  behind   error  mini_batches
    14     0          0.001         256       1    .5121      0                    260
    14     1          0.003         256       1    .5098  -.0017   .0009           260
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.guarding.evidence import difference


def schedule(updater: Updater, periods: Iterable[int] | None = None) -> list[dict[str, Any]]:
    """A row for each setting that has had its turn, by period; none if nothing races.

    ``behind`` is by how much the LogLoss of a setting is larger than the leader's, in the mean of the periods so far,
    and ``error`` the standard error of the mean.

    Args:
        updater: on its walk.
        periods: the periods to tell of; by default all that have had turns.
    """
    race, rows = updater.race, []
    if len(race.settings) == 1:
        return []
    for period in race.work if periods is None else periods:
        order = race.order(period)
        known = {t: losses for t, losses in race.losses.items() if updater.settled_from() <= t <= period}
        for turn, number in enumerate(order):
            behind = difference(known, number, order[0], race.rules.decay)
            found = {
                "logloss": race.losses.get(period, {}).get(number, math.nan),
                "behind": 0.0 if turn == 0 else behind.mean,
                "error": behind.error if turn and math.isfinite(behind.error) else math.nan,
            }
            rows.append(
                {"period": period, "turn": turn}
                | race.settings[number]._asdict()
                | {name: None if math.isnan(value) else value for name, value in found.items()}
                | {"mini_batches": race.work[period].get(number, 0)}
            )
    return rows


def logged(updater: Updater, period: int) -> dict[str, float]:
    """The setting that leads in a period, and how many settings take turns, for a logger; nothing if nothing races."""
    race = updater.race
    if len(race.settings) == 1:
        return {}
    order = race.order(period)
    found: dict[str, Any] = {**race.settings[order[0]]._asdict(), "settings": len(order)}
    return {f"self_tuning/{name}": value for name, value in found.items() if value is not None}


def outcome(updater: Updater, timings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which setting has won, and what the races have cost; nothing if nothing races.

    Args:
        updater: at the end of its walk.
        timings: of all phases, see :class:`~asmg_pl.callbacks.report.PeriodReport`.
    """
    race, periods = updater.race, list(updater.race.work)
    if len(race.settings) == 1 or not periods:
        return []
    last, ahead = periods[-1], race.live
    since = last + 1
    while since > periods[0] and race.order(since)[0] == ahead:
        since -= 1
    lines = [f"self-tuning: {race.settings[ahead]} leads from period {since + 1} on, of {len(race.settings)} settings"]
    alone = next((t for t in periods if len(race.order(t)) == 1), last + 1)
    for title, span in {"the first race": range(periods[0], alone), "afterwards": range(alone, last + 1)}.items():
        if own := sum(race.work[t].get(race.order(t)[0], 0) for t in span):
            steps = sum(sum(race.work[t].values()) for t in span) / own
            of_all, of_leader = (
                math.fsum(row["seconds"] for row in timings if row["period"] in span and (all_ or row["turn"] == 0))
                for all_ in (True, False)
            )
            lines.append(
                f"{title}, periods {span[0]} to {span[-1]}: {steps:.2f} times the leader's mini-batches"
                + (f", {of_all / of_leader:.2f} times its seconds" if of_leader else "")
            )
    return lines
