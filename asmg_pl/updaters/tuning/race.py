"""The race of settings: within a period, the copies of the models take turns, and each walks all of its phases.

period 14    leader               second                 third
             score ─▶ update      score ─▶ update        score ─▶ update ─▶ who leads in period 15?
             └ the official       └ judged by what it    └ …
               scores               would have served

There is one updater with one set of modules and optimisers. A copy that waits is a checkpoint in memory.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from asmg_pl.checkpoints.values import Flaw
from asmg_pl.errors import DivergedError
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.updaters.guarding.evidence import difference, leader, losers
from asmg_pl.updaters.tuning.saved_state import SavedState, put_back, taken
from asmg_pl.updaters.tuning.self_tuning import SelfTuning, Setting, neighbours
from asmg_pl.updaters.tuning.tunable import Tunable
from asmg_pl.updaters.walking.phase import Phase, nothing

log = logging.getLogger(__name__)


class Race:
    """Leads the settings of an updater through a walk; a single setting simply walks.

    Attributes:
        settings: all that race.
        rules: of the race.
        turns: by period, the settings that take turns in it, by number, the leader first.
        losses: by period and setting, the LogLoss of what the setting would have served.
        results: by setting, the results of its own models, the leader's from before the race included.
        work: by period and setting, the mini-batches of its turn.
        fallen: the settings that have diverged.
        live: the setting whose state the updater's modules hold.
        waiting: the states of the others that take turns.
    """

    def __init__(self, settings: Sequence[Setting], rules: SelfTuning) -> None:
        """Let all settings stand at the start.

        Args:
            settings: all that race.
            rules: of the race.
        """
        self.settings = list(settings)
        self.rules = rules
        self.turns: dict[int, list[int]] = {}
        self.losses: dict[int, dict[int, float]] = {}
        self.work: dict[int, dict[int, int]] = {}
        self.results: dict[int, dict[int, PeriodResult]] = {}
        self.fallen: set[int] = set()
        self.live = 0
        self.waiting: dict[int, SavedState] = {}

    # ---- a period's phases

    def order(self, period: int) -> list[int]:
        """The settings that take turns in a period, the leader first; of a later period, as it looks now.

        Before anything is known, all settings take turns.
        """
        return self.turns.get(period, [self.live] if self.turns else list(range(len(self.settings))))

    def leads(self, period: int) -> bool:
        """Whether the setting at hand is the leader of a period: what it does is official."""
        return self.order(period)[0] == self.live

    @property
    def most_waiting(self) -> int:
        """How many copies of the models wait at most."""
        return len(self.settings) - 1

    def in_turns(self, period: int) -> bool:
        """Whether several settings take turns in a period after pre-training."""
        return len(self.turns.get(period, ())) > 1

    def plan(self, updater: Tunable, period: int) -> list[Phase]:
        """All phases of a period, turn by turn."""
        order = self.order(period)
        if len(order) == 1:
            return updater.phases(period)
        phases = [phase for turn, number in enumerate(order) for phase in self._turn(updater, period, turn, number)]
        return [replace(phases[0], begin=partial(self._begin, updater, order, phases[0].begin)), *phases[1:]]

    def phases_with(self, updater: Tunable, number: int, period: int) -> list[Phase]:
        """The phases of a period under a setting."""
        self._apply(updater, number)
        phases = updater.phases(period)
        self._apply(updater, self.live)
        return phases

    def _turn(self, updater: Tunable, period: int, turn: int, number: int) -> list[Phase]:
        """The phases of a setting's turn. One that has diverged reads its rows, and does nothing."""
        phases = self.phases_with(updater, number, period)
        if number in self.fallen:
            phases = [replace(phase, on_batch=_skip, begin=nothing, end=nothing) for phase in phases]
        return [replace(phase, reading=replace(phase.reading, turn=turn)) for phase in phases]

    def _begin(self, updater: Tunable, order: Sequence[int], begin: Callable[[], None]) -> None:
        """At the start of a race, all begin with the state that the leader has."""
        if not self.waiting:
            start, before = taken(updater), self.own_results(updater.results)
            self.waiting = {number: start for number in order if number != self.live}
            self.results = {number: dict(before) for number in order}
        begin()

    def own_results(self, official: Mapping[int, PeriodResult]) -> Mapping[int, PeriodResult]:
        """The results of the models at hand, which are the official ones if nothing has raced yet."""
        return self.results.get(self.live, official)

    def note(self, updater: Tunable, result: PeriodResult) -> None:
        """Note what the setting at hand would have served; of the leader, it is the official result."""
        order = self.order(result.period)
        if self.live in self.results:
            self.results[self.live][result.period] = result
        if self.leads(result.period):
            updater.results[result.period] = result
        if len(order) > 1 and self.in_turns(result.period - 1):  # before, all have the same state
            self.losses.setdefault(result.period, {})[self.live] = result.scores["serving"]["logloss"]

    def within(self, period: int, now: int) -> bool:
        """Whether a period of a race is not over when the walk stands in a period."""
        return now == period and len(self.order(period)) > 1

    @contextmanager
    def turn(self, updater: Tunable, phase: Phase) -> Iterator[None]:
        """A context in which a phase ends; afterwards the next setting has its turn, if this one's is over.

        A setting that diverges leaves the race, as long as there is another one.
        """
        order = self.order(phase.period)
        try:
            yield
        except DivergedError as error:
            if phase.period <= updater.pretrain_periods or not set(order) - self.fallen - {self.live}:
                raise
            if self.live not in self.fallen:
                log.warning("self-tuning drops the setting %s: %s", self.settings[self.live], _first_sentence(error))
            self.fallen.add(self.live)
        if len(self.settings) == 1 or phase.period <= updater.pretrain_periods:
            return
        counts = self.work.setdefault(phase.period, {})
        counts[self.live] = counts.get(self.live, 0) + updater.data.mini_batches(phase.reading)
        following = self.plan(updater, phase.period)[updater.place.phase + 1 :]
        if not following:
            self._close(updater, phase.period)
        elif following[0].reading.turn != phase.reading.turn:
            self._go_to(updater, order[phase.reading.turn + 1])

    def _go_to(self, updater: Tunable, number: int, keep: bool = True) -> None:
        """Give another setting its turn; the state at hand is put aside, if it is to be kept."""
        if number != self.live:
            if keep and self.live not in self.fallen:
                self.waiting[self.live] = taken(updater)
            put_back(updater, self.waiting.pop(number))
            self.live = number
        self._apply(updater, number)
        updater.set_learning_rate(updater.learning_rate)

    def _apply(self, updater: Tunable, number: int) -> None:
        updater.learning_rate, updater.batch_size, updater.passes = self.settings[number]

    # ---- who takes turns next

    def _close(self, updater: Tunable, period: int) -> None:
        """Decide who takes turns in the next period, from what has been scored by now."""
        order = self.order(period)
        self.turns.setdefault(period, order)
        following = self._still_racing(updater, period) if len(order) > 1 else self._challenge(updater, period)
        goes_on = len(order) > 1 and len(following) > 1
        if following[0] != order[0]:
            log.info("self-tuning: %s leads from period %d on", self.settings[following[0]], period + 1)
        self._go_to(updater, following[0], keep=goes_on)
        self.turns[period + 1] = following
        self.waiting = {number: state for number, state in self.waiting.items() if goes_on and number in following}
        self.results = {number: found for number, found in self.results.items() if number in following}

    def _still_racing(self, updater: Tunable, period: int) -> list[int]:
        """The settings that go on after a period of a race, the leader first; the leader alone if the race ends."""
        rules, order = self.rules, self.order(period)
        running = [number for number in order if number not in self.fallen]
        counted = self._counted(updater)
        ahead = leader(counted, running, order[0], rules.decay, rules.margin)
        others = [number for number in running if number != ahead]
        if not self._first_race(period):
            ends = all(self.in_turns(t) for t in range(period - rules.race_periods + 1, period + 1))
            return [ahead] if ends else [ahead, *others]
        if period >= updater.test_from - 1:
            return [leader(counted, running, ahead, rules.decay, margin=0.0)]
        lost = losers(counted, running, ahead, rules.decay, rules.dropped_at, rules.dropped_after)
        return [ahead, *(number for number in others if number not in lost)]

    def _first_race(self, period: int) -> bool:
        """Whether all periods up to this one have had a race."""
        return all(len(order) > 1 for t, order in self.turns.items() if t <= period)

    def _challenge(self, updater: Tunable, period: int) -> list[int]:
        """The leader, and the neighbour that it races from the next period on, if the budget has room for a race.

        The one that has waited longest for a later race is next; of several, the one that was least behind. A race that
        ends before the tests begin does not touch the budget.
        """
        rules, beside = self.rules, [k for k in neighbours(self.settings, self.live) if k not in self.fallen]
        if not beside or not rules.budget:
            return [self.live]
        alone = min(t for t, order in self.turns.items() if len(order) == 1)
        raced = {k: max((t for t, order in self.turns.items() if t > alone and k in order), default=0) for k in beside}
        behind = {k: difference(self._counted(updater), k, self.live, rules.decay).mean for k in beside}
        challenger = min(beside, key=lambda k: (raced[k], math.inf if math.isnan(behind[k]) else behind[k], k))
        since = [t for t in self.work if t >= max(alone, updater.test_from)]
        own = sum(self.work[t][self.order(t)[0]] for t in since)
        extra = sum(sum(self.work[t].values()) for t in since) - own
        race = {k: rules.race_periods * self._expected(updater, k, period) for k in (self.live, challenger)}
        affordable = extra + race[challenger] <= rules.budget * (own + race[self.live])
        before_tests = period + rules.race_periods < updater.test_from
        return [self.live, challenger] if affordable or before_tests else [self.live]

    def _counted(self, updater: Tunable) -> dict[int, dict[int, float]]:
        """The LogLoss of the periods in which all that will serve was there."""
        return {period: scored for period, scored in self.losses.items() if period >= updater.settled_from()}

    def _expected(self, updater: Tunable, number: int, period: int) -> int:
        """The mini-batches of a setting's turn in a period like this one."""
        return sum(updater.data.mini_batches(phase.reading) for phase in self.phases_with(updater, number, period))

    # ---- what a checkpoint keeps

    def state_dict(self) -> dict[str, Any]:
        """Turns, scores and work so far, and the states that wait; nothing of a single setting."""
        if len(self.settings) == 1:
            return {}
        names = ("turns", "losses", "work", "live", "waiting")
        found = {name: getattr(self, name) for name in names} | {"fallen": sorted(self.fallen)}
        results = {k: {t: vars(result) for t, result in found.items()} for k, found in self.results.items()}
        return found | {"results": results, "settings": [list(setting) for setting in self.settings]}

    def load_state_dict(self, updater: Tunable, state: Mapping[str, Any] | None) -> None:
        """Take them back, if there are any.

        Raises:
            Flaw: if other settings race in the checkpoint.
        """
        if state is None:
            return
        saved = [Setting(*setting) for setting in state.get("settings", ())]
        if saved != (self.settings if len(self.settings) > 1 else []):
            raise Flaw("self_tuning.settings", f"has {len(saved)} settings that race, or others than the walk")
        if state:
            self.turns, self.losses, self.work = state["turns"], state["losses"], state["work"]
            self.live, self.waiting, self.fallen = state["live"], state["waiting"], set(state["fallen"])
            by_setting = state["results"].items()
            self.results = {k: {t: PeriodResult(**result) for t, result in found.items()} for k, found in by_setting}
            self._apply(updater, self.live)


def _skip(batch: Any) -> None:
    """Do nothing with a mini-batch."""


def _first_sentence(error: Exception) -> str:
    return str(error).partition(". ")[0]
