"""The daily job: rows are appended, what is new is walked, and the model that comes of it serves if the gate lets it.

    files ─▶ append ─▶ walk ─▶ gate ─▶ export ─▶ publish
                                └─▶ held back: the walk stands, and the published version goes on serving

Each stage leaves a state that the next call finds: rows in the stream, checkpoints and scores in the run folder,
versions in the store, and the store's pointer. So a call does what is left to do, however the one before it ended.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path

from asmg_pl.callbacks.run_folder import walk_in
from asmg_pl.errors import DataError
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.operations.append import Appended, nothing
from asmg_pl.operations.comparison import Comparison
from asmg_pl.operations.gate import PUBLISHED, Gate, Judgement, span
from asmg_pl.operations.journal import HELD_BACK, Entry, Journal
from asmg_pl.operations.journal import PUBLISHED as WAS_PUBLISHED
from asmg_pl.operations.published import check_same_stream, score_periods
from asmg_pl.operations.walked import Progress, WalkedRun
from asmg_pl.serving.package import Package, open_package
from asmg_pl.serving.store import Store
from asmg_pl.system.lock import locked

log = logging.getLogger(__name__)

LOCK = ".update.lock"


class Outcome(IntEnum):
    """How an update ends. The numbers are exit statuses; 2 is an error that the user can mend."""

    PUBLISHED = 0
    HELD_BACK = 3
    NOTHING_NEW = 4


@dataclass(frozen=True)
class Updated:
    """What an update has come to.

    Attributes:
        outcome: how it ended.
        line: one line for a log.
    """

    outcome: Outcome
    line: str


@dataclass(frozen=True)
class Stages:
    """The stages whose work others do.

    Attributes:
        append: adds the rows of files or addresses to the run's stream; gives what it has added.
        walk: walks what is new in the stream.
        export: writes the package of the run's newest model to the store; gives the version's name.
        formats: writes a version in other programs' formats, those that are not there yet; does nothing by default.
    """

    append: Callable[[Sequence[str | Path]], Appended]
    walk: Callable[[], None]
    export: Callable[[], str]
    formats: Callable[[Package], None] = lambda _: None


class Update:
    """The daily job of one run.

    Examples:
        See :func:`asmg_pl.cli.commands.update.run`, which makes one of the command line's options.

        >>> Outcome.HELD_BACK.value
        3
    """

    def __init__(
        self,
        run: WalkedRun,
        store: Store,
        stages: Stages,
        gate: Gate,
        keep: int = 7,
        force: bool = False,
        wait: float = 0.0,
        allow: Sequence[str] = (),
    ) -> None:
        """Put the job together.

        Args:
            run: the run folder.
            store: the store of versions.
            stages: append, walk and export.
            gate: judges a version before it serves.
            keep: how many of the newest versions the store keeps; -1 keeps all.
            force: whether a version serves whatever the gate says.
            wait: the seconds to wait for another program that updates the run.
            allow: recommender classes that packages may name, see :func:`~asmg_pl.serving.package.open_package`.
        """
        self.run, self.store, self.stages, self.gate = run, store, stages, gate
        self.keep, self.force, self.wait, self.allow = keep, force, wait, allow
        self._journal = Journal(run.folder)
        self._progress: Progress | None = None  # after the latest call

    def lock(self) -> AbstractContextManager[None]:
        """Lock the run, so that no other program updates it.

        Raises:
            BusyError: if another program does; the message names it.
        """
        mend = "call again when it is done, or wait for it with --wait SECONDS"
        return locked(self.run.folder / LOCK, f"{self.run.folder} is being updated", mend, self.wait)

    def due(self) -> bool:
        """Whether the clock alone has completed a period since the latest call."""
        return self._progress is not None and self.run.passed(self._progress)

    def __call__(self, files: Sequence[str | Path] = ()) -> Updated:
        """Do what is left to do.

        Args:
            files: new rows, or their addresses; without any, what is new in the stream is walked.

        Raises:
            UserError: if something is wrong that the user can mend. What was done before it stands.
        """
        with self.lock():
            self._journal.recover(self.store.current())
            appended = self.stages.append(files) if files else nothing()
            before = self.run.progress()
            if not before.complete:
                self.stages.walk()
            progress = before if before.complete else self.run.progress()
            self._progress = progress
            done = self._release(progress)
            if self.keep > 0 and self.store.versions():
                self.store.prune(self.keep)
        return self._report(done, appended, before, progress)

    # ---- gate, export and publication

    def _release(self, progress: Progress) -> Entry | None:
        """Publish the newest model or hold it back; ``None`` if it serves already."""
        current = self._published()
        if progress.last < 1:
            return None
        if current is not None and self._serves(current, progress):
            self.stages.formats(current)
            return None
        name = f"after-period-{progress.last:06d}"
        results = self._beside(current, progress)
        judgement = self._judge(name, results)
        if not judgement.held or self.force:
            name = self.stages.export()
            package = open_package(self.store.path(name), self.allow)
            newest = score_periods(package, progress.data, [progress.last], "serving", "seen")[progress.last]
            judgement = self._judge(name, results, newest)
        entry = self._entry(name, current, judgement)
        if entry.outcome == WAS_PUBLISHED:
            self.stages.formats(open_package(self.store.path(name), self.allow))  # before anybody looks for them
            self._journal.begin(entry)
            self.store.publish(name)
            self._journal.end(entry)
        else:
            self._journal.add(entry)
        return entry

    def _published(self) -> Package | None:
        """The version that serves."""
        current = self.store.current()
        return None if current is None else open_package(self.store.path(current), self.allow)

    def _serves(self, current: Package, progress: Progress) -> bool:
        """Whether the version that serves is the run's newest model."""
        told, last = current.manifest.provenance, progress.last
        if (told.get("period"), told.get("rows")) != (last, progress.data.boundaries[last]):
            return False
        result, scores = progress.results.get(last), told.get("scores")
        if result is None or not scores:
            return True
        loss = result.scores["serving"]["logloss"]  # another walk along the same stream has another one
        return scores[-1]["scores"]["serving"]["logloss"] == (loss if math.isfinite(loss) else None)

    def _beside(self, current: Package | None, progress: Progress) -> list[PeriodResult]:
        """The walk's results of the latest periods, with the published version's scores where it had not seen them."""
        latest = list(progress.results.values())[-self.gate.periods :]
        found = {result.period: result for result in latest}
        if current is None:
            return latest
        try:
            check_same_stream(current, progress.data)
        except DataError as error:
            if not self.force:
                raise
            log.warning("%s", error)
            return latest
        rows = int(current.manifest.provenance["rows"])
        later = {period: found[period] for period in found if progress.data.rows_of(period).start >= rows}

        def score(periods: Sequence[int]) -> Mapping[int, PeriodResult]:
            return score_periods(current, progress.data, periods, PUBLISHED, "test")

        return list((found | Comparison(self.run.folder).beside(current.name, later, score)).values())

    def _judge(self, name: str, results: Sequence[PeriodResult], newest: PeriodResult | None = None) -> Judgement:
        """What the gate says, and whether somebody has taken the version back after it had served."""
        judgement = self.gate.judge(results, newest)
        if not self._journal.was_published(name, self._walk()):
            return judgement
        return judgement.with_reason(
            f"{name} was published before, and somebody went back to {self.store.current()}: give --force to publish "
            "it again"
        )

    def _walk(self) -> str:
        return (walk_in(self.run.folder) or "")[:12]

    def _entry(self, name: str, current: Package | None, judgement: Judgement) -> Entry:
        return Entry(
            at=_now(),
            walk=self._walk(),
            outcome=HELD_BACK if judgement.held and not self.force else WAS_PUBLISHED,
            version=name,
            instead_of="" if current is None else current.name,
            compared=" ".join(map(str, judgement.compared)),
            difference=judgement.difference,
            calibration=judgement.calibration,
            forced=bool(judgement.held) and self.force,
            reasons="; ".join(judgement.held),
        )

    # ---- the line for a log

    def _report(self, done: Entry | None, appended: Appended, before: Progress, progress: Progress) -> Updated:
        notes = [*appended.notes()]
        if progress.last > before.last:
            notes.append(f"walked {span(range(before.last + 1, progress.last + 1))}")
        if waiting := len(progress.data.log) - progress.data.boundaries[-1]:
            notes.append(f"{waiting:,} rows wait for their period to be complete")
        if done is None:
            serving = self.store.current()
            told = "nothing new" + (f", {serving} serves" if serving else ", and no version serves yet")
            return self._updated(Outcome.NOTHING_NEW, told, notes)
        notes.append(_numbers(done))
        before_it = f" instead of {done.instead_of}" if done.instead_of else ""
        if done.outcome == HELD_BACK:
            stays = f", {done.instead_of} goes on serving" if done.instead_of else ", and no version serves yet"
            return self._updated(Outcome.HELD_BACK, f"held back {done.version}{stays}: {done.reasons}", notes)
        forced = f", forced against: {done.reasons}" if done.forced else ""
        return self._updated(Outcome.PUBLISHED, f"published {done.version}{before_it}{forced}", notes)

    def _updated(self, outcome: Outcome, told: str, notes: Sequence[str]) -> Updated:
        more = f" ({'; '.join(notes)})" if notes else ""
        return Updated(outcome, f"{_now()} UTC {self.run.folder}: {told}{more}")


def _numbers(entry: Entry) -> str:
    compared = tuple(map(int, entry.compared.split()))
    return Judgement((), compared, entry.difference, entry.calibration).shown()


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
