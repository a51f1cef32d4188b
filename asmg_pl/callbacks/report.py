"""The report: a row per period on the screen, and in the run folder the files that other programs read.

*.csv          the tables of a walk, see :mod:`asmg_pl.callbacks.tables`
auc.png       the scores drawn
diverged.txt  where and why the walk stopped, if it has diverged
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any, cast

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from asmg_pl.callbacks.few_steps import few_steps
from asmg_pl.callbacks.file_names import DIVERGED as DIVERGED
from asmg_pl.callbacks.period_table import PeriodTable
from asmg_pl.callbacks.plot import plot_results
from asmg_pl.callbacks.schedule import logged, outcome
from asmg_pl.callbacks.tables import WalkTables
from asmg_pl.callbacks.tenants import rows_of_their_own
from asmg_pl.data.datamodule import PeriodDataModule
from asmg_pl.errors import DivergedError
from asmg_pl.metrics.results import NOT_COUNTED, PeriodResult, headline, mean_over
from asmg_pl.metrics.rivals import rivals
from asmg_pl.metrics.verdict import verdict
from asmg_pl.system.escaping import terminal
from asmg_pl.system.screen import folded, say, width
from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.memory import bytes_by_component, described, peak_memory

log = logging.getLogger(__name__)

PLOT = "auc.png"

#: The most periods that a line names one by one.
SHOWN = 20

#: The last line of a walk whose method scores no plain update beside what serves.
COMPARE = "compare with the plain update: asmg compare FOLDER --methods iu METHOD -- OPTIONS"


class PeriodReport(Callback):
    """Writes what the walk has scored.

    ``metrics.csv`` and ``learned.csv`` depend on data, configuration and seed alone, so that two runs can be compared
    byte by byte; seconds and memory stand in ``timings.csv``. Loggers get ``MODEL/METRIC`` with the period as the step.
    """

    def __init__(self) -> None:
        """Start with no timings."""
        self.timings: list[dict[str, Any]] = []
        self._began = 0.0
        self._steps_before = 0
        self._table: PeriodTable | None = None  # once its header is shown
        self._tables: WalkTables | None = None  # once something is written

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say how time is cut and what memory is taken; the files stay as they are until a phase has ended."""
        if trainer.is_global_zero:
            (Path(trainer.default_root_dir) / DIVERGED).unlink(missing_ok=True)
            self._tables = None
            updater = cast(Updater, pl_module)
            for line in opening(updater.data, updater.test_from, updater.last_period):
                log.info(line)
            log.info("memory: %s", described(bytes_by_component(pl_module, updater.race.most_waiting)))
            for line in [*updater.notes(), *rows_of_their_own(updater)]:
                log.info(line)
            if few := few_steps(updater):
                log.warning(few)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._steps_before = trainer.global_step
        self._began = time.perf_counter()
        if log.isEnabledFor(logging.DEBUG):
            updater = cast(Updater, pl_module)
            phase = updater.phase
            assert phase is not None
            read, data = phase.reading, updater.data
            if read.rows is None:
                rows = sum(len(data.rows_of(period)) for period in read.periods)
                what = f"{rows} rows of {len(read.periods)} periods"
            else:
                what = f"{len(read.rows)} rows that the method chooses"
            log.debug(
                "period %d · %s begins: pass %d, %d mini-batches over %s",
                *(phase.period, phase.name, phase.repeat + 1, updater.data.mini_batches(phase.reading), what),
            )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note a phase's steps, time and memory; write and log new scores; show a period's row after its last phase."""
        updater = cast(Updater, pl_module)
        phase = updater.phase
        assert phase is not None
        self.timings.append(
            {
                "period": phase.period,
                "phase": phase.name,
                "pass": phase.repeat + 1,
                "mini_batches": updater.data.mini_batches(phase.reading),
                "steps": trainer.global_step - self._steps_before,
                "seconds": round(time.perf_counter() - self._began, 4),
                "peak_mib": round(peak_memory(pl_module.device), 1),
            }
            | ({"turn": phase.reading.turn} if len(updater.race.settings) > 1 else {})
        )
        log.debug("period %d · %s ends after %.2f s", phase.period, phase.name, self.timings[-1]["seconds"])
        self._write(trainer, updater, updater.place.period - 1)
        result = updater.results.get(phase.period)
        if phase.name == "score" and phase.reading.turn == 0 and result is not None:
            for logger in trainer.loggers:
                logger.log_metrics(result.logged() | logged(updater, phase.period), step=phase.period)
        if trainer.is_global_zero and updater.place.period > phase.period:
            if result is None:
                log.info("pre-trained on periods 1 to %d in %.1f s", phase.period, self._seconds(phase.period))
            else:
                self._show([result], walking=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the table with the means, and draw the plot."""
        updater = cast(Updater, pl_module)
        results = list(updater.results.values())
        if trainer.is_global_zero and results:
            if self._table is not None and (tested := [r for r in results if r.split == "test"]):
                say(self._table.mean("test", mean_over(tested)))
            folder = Path(trainer.default_root_dir)
            plot_results(results, folder / PLOT, _plotted(updater))
            log.info("metrics.csv, timings.csv, auc.png and checkpoints are in %s", folder)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the mean over the test periods, whether lists beat the baselines, and the lift over the plain update.

        Nothing else comes after the lift, or why there is none.
        """
        updater = cast(Updater, pl_module)
        results = list(updater.results.values())
        if not trainer.is_global_zero or not results:
            return
        for line in (*outcome(updater, self.timings), *rows_of_their_own(updater)):
            say(folded(line))
        tested = [r for r in results if r.split == "test"]
        if tested:
            span = f"{tested[0].period} to {tested[-1].period}"
            say(folded(_means(f"mean over the test periods {span}", tested)))
            for line in (*rivals(tested), verdict(tested) or COMPARE):
                say(folded(line))
        else:
            say(folded(no_test(updater.data, updater.test_from, updater.last_period)))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Of a walk that has diverged, write and log what it has scored, and note where it stopped."""
        if not isinstance(exception, DivergedError) or not trainer.is_global_zero:
            return
        updater, folder = cast(Updater, pl_module), Path(trainer.default_root_dir)
        for result in updater.results.values():
            if result.diverged:
                for logger in trainer.loggers:
                    logger.log_metrics(result.logged(), step=result.period)
        self._write(trainer, updater, updater.place.period)
        (folder / DIVERGED).write_text(f"{exception}\n", encoding="utf-8")
        results = list(updater.results.values())
        if results:
            plot_results(results, folder / PLOT, _plotted(updater))
            if updater.phase is not None and updater.phase.period == results[-1].period:
                self._show(results[-1:], walking=True)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the scores of the evaluated periods, and the mean over those that are prequential."""
        results = list(cast(Updater, pl_module).evaluation.values())
        if not trainer.is_global_zero:
            return
        self._show(results)
        counted = [result for result in results if result.split not in NOT_COUNTED]
        if counted:
            say(folded(_means(f"mean over {len(counted)} period{'s' * (len(counted) > 1)}", counted)))
        for split, why in NOT_COUNTED.items():
            if left := [result.period for result in results if result.split == split]:
                say(f"in no mean: period {_listed(left)} ({split}: {why})")

    on_validation_end = on_test_end

    def _write(self, trainer: Trainer, updater: Updater, ended: int) -> None:
        if trainer.is_global_zero:
            if self._tables is None:
                self._tables = WalkTables(Path(trainer.default_root_dir))
            self._tables.write(updater, self.timings, ended)

    def _seconds(self, period: int) -> float:
        newest_first = dropwhile(lambda timing: timing["period"] > period, reversed(self.timings))
        return math.fsum(timing["seconds"] for timing in takewhile(lambda t: t["period"] == period, newest_first))

    def _show(self, results: list[PeriodResult], walking: bool = False) -> None:
        if self._table is None and results:
            scores = results[0].scores
            self._table = PeriodTable(list(scores), width(), seconds=walking, metrics=headline(scores))
            for line in self._table.header():
                say(line)
            if left_out := self._table.left_out:
                log.info(left_out)
        for result in results:
            assert self._table is not None
            say(self._table.row(result, self._seconds(result.period) if walking else None))

    def state_dict(self) -> dict[str, Any]:
        """The timings so far."""
        return {"timings": self.timings}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take them back."""
        self.timings = list(state_dict["timings"])


def _plotted(updater: Updater) -> str:
    """The title of the plot: method and stream."""
    data = updater.data
    stream = type(data.source).__name__ + (f" in {Path(data.root).name}" if data.root else "")
    return f"{type(updater).__name__} on {stream}"


def _title(column: str) -> str:
    return terminal(column.replace("_", " "))


def _means(title: str, results: Sequence[PeriodResult]) -> str:
    """The means in words, with the periods that are missing in them, or that spoil them."""
    means, metrics = mean_over(results), headline(results[0].scores)
    shown = f"{title}: " + ", ".join(f"{_title(name)} {means[name]:.4f}" for name in results[0].columns(metrics))
    undefined = [
        result.period
        for result in results
        if any(
            math.isnan(s[m])
            for name, s in result.scores.items()
            if name not in result.diverged
            for m in metrics
            if m in s
        )
    ]
    diverged = [result.period for result in results if result.diverged]
    return (
        shown
        + (f" (left out where not defined: period {_listed(undefined)})" if undefined else "")
        + (f" (diverged in period {_listed(diverged)})" if diverged else "")
    )


def _listed(periods: Sequence[int]) -> str:
    """The first periods, and how many more there are."""
    shown, more = ", ".join(map(str, periods[:SHOWN])), len(periods) - SHOWN
    return f"{shown} and {more:,} more" if more > 0 else shown


def opening(data: PeriodDataModule, test_from: int, last: int) -> list[str]:
    """The first lines of a walk: how time is cut, which rows are walked nowhere, and whether nothing will be a test."""
    boundaries = data.boundaries
    lines = [_cut(data, last)]
    if boundaries[0]:
        lines.append(f"{boundaries[0]:,} rows before the first period are in histories only")
    if waiting := data.waiting():
        lines.append(waiting)
    if test_from > len(boundaries) - 1:
        lines.append(no_test(data, test_from, last))
    return lines


def no_test(data: PeriodDataModule, test_from: int, last: int) -> str:
    """Why a walk has no test period, and what to set."""
    newest = data.last_period
    if test_from <= newest:
        return f"no test period yet: test_from is {test_from}, and the walk goes as far as period {last} (--loop.until)"
    return (
        f"no test period, and so no mean: test_from is {test_from}, the walk has {newest} periods. Set "
        "--model.init_args.test_from to one of them, or cut time finer (data.periods)"
    )


def _cut(data: PeriodDataModule, last: int) -> str:
    """How many periods are walked, how large they are, and which of them cannot be scored as the others."""
    periods = range(1, last + 1)
    rows = [len(data.rows_of(period)) for period in periods]
    size = f"{rows[0]:,}" if len(set(rows)) == 1 else f"{min(rows):,} to {max(rows):,}"
    classes = {period: data.classes(period, period) for period in periods}
    odd = {
        name: [period for period in periods if classes[period] == count]
        for name, count in {"empty": 0, "of one class": 1}.items()
    }
    notes = "".join(f"; {name}: {_listed(found)}" for name, found in odd.items() if found)
    return f"{len(periods)} periods of {size} rows{notes}"
