"""The CSV files of a walk, which grow by the rows of a phase when it has ended.

metrics.csv   scores, a row per scored period
timings.csv   steps, seconds and memory, a row per phase
schedule.csv  the settings that self-tuning lets race, a row per period and setting
learned.csv   what a generator has learned, a row per period, table and quantity
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from asmg_pl.callbacks.growing_table import GrowingTable
from asmg_pl.callbacks.schedule import schedule
from asmg_pl.generators.learned import Learned
from asmg_pl.metrics.by_period import later
from asmg_pl.updaters.base import Updater


class WalkTables:
    """Writes the rows of a walk that its files lack."""

    def __init__(self, folder: Path) -> None:
        """Write nothing yet.

        Args:
            folder: the run folder.
        """
        names = ("metrics", "timings", "learned", "schedule")
        self._metrics, self._timings, self._learned, self._schedule = (
            GrowingTable(folder / f"{name}.csv") for name in names
        )
        self._phases = self._scored = self._learned_until = self._raced = 0  # what the files have: the last of each

    def write(self, updater: Updater, timings: Sequence[Mapping[str, Any]], ended: int) -> None:
        """Add what has been scored, timed and learned since the last call. The first call writes the whole files.

        Args:
            updater: on its walk.
            timings: of all phases.
            ended: the newest period whose settings have all had their turns.

        Raises:
            StorageError: if the disk is full or fails.
        """
        results = later(updater.results, self._scored)
        self._metrics.add(
            [result.flat() for result in results.values()],
            whole=lambda: [result.flat() for result in updater.results.values()],
        )
        self._scored = max([self._scored, *results])
        if timings:
            self._timings.add(timings[self._phases :], whole=lambda: timings)
            self._phases = len(timings)
        if updater.learned:
            learned = later(updater.learned, self._learned_until)
            self._learned.add(_told(learned), whole=lambda: _told(updater.learned))
            self._learned_until = max([self._learned_until, *learned])
        else:
            self._learned.remove()  # an earlier walk's
        if len(updater.race.settings) == 1 or not updater.race.work:
            self._schedule.remove()
        elif raced := [period for period in later(updater.race.work, self._raced) if period <= ended]:
            self._schedule.add(
                schedule(updater, raced),
                whole=lambda: schedule(updater, [period for period in updater.race.work if period <= ended]),
            )
            self._raced = raced[-1]


def _told(learned: Mapping[int, Learned]) -> Iterable[dict[str, Any]]:
    for period, found in learned.items():
        for parameters, quantities in found.items():
            for quantity, value in quantities.items():
                yield {"period": period, "parameters": parameters, "quantity": quantity, "value": value}
