"""Settings race: each walks as it would alone, the one that leads serves, and the winner goes on."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from asmg_pl.checkpoints.io import newest_first, read_checkpoint
from asmg_pl.data import Batch, Sizes
from asmg_pl.errors import ConfigError, DivergedError
from asmg_pl.testing.walks import ROWS, differing, differing_results, short_walk
from asmg_pl.updaters import ADER, ASMG, EWC, SPMF, IncrementalUpdate, SelfTuning, Updater
from asmg_pl.updaters.tuning.self_tuning import Setting, neighbours
from asmg_pl.updaters.walking.phase import Phase

SHORT = {"pretrain_periods": 2, "pretrain_epochs": 2}
METHODS: dict[str, Callable[..., Updater]] = {
    **{kind.__name__: kind for kind in (IncrementalUpdate, ADER, EWC, SPMF)},
    "ASMG": partial(ASMG, window=2),
}
SLOW = ["ADER", "ASMG"]
NOBODY_LEAVES = 1e9


def racing(method: Callable[..., Updater], test_from: int = 99, **rules: Any) -> Callable[..., Updater]:
    """A method of which two rates and two batch sizes race, all with the same pre-training."""
    given: dict[str, Any] = {"learning_rates": [1e-3, 3e-2], "batch_sizes": [16, 8], "race_periods": 2} | rules
    return partial(method, **SHORT, test_from=test_from, self_tuning=SelfTuning(**given))


def alone(method: Callable[..., Updater], setting: Setting, periods: int, folder: Path, test_from: int = 99) -> Updater:
    """The walk with one setting, from the same pre-trained model."""
    start = next(p for p in newest_first(folder / "checkpoints") if p.name.startswith("period-000002"))
    fixed = setting._asdict() | {"pretrained_model": str(start)}
    return short_walk(partial(method, **SHORT, test_from=test_from, **fixed), periods)


@pytest.mark.parametrize("name", METHODS)
def test_each_setting_walks_as_it_would_alone(tmp_path: Path, name: str) -> None:
    raced = short_walk(racing(METHODS[name], dropped_at=NOBODY_LEAVES), 6, tmp_path)
    assert [len(raced.race.turns[period]) for period in (3, 4, 5, 6)] == [4] * 4
    for number in (0, 3):
        fixed = alone(METHODS[name], raced.race.settings[number], 6, tmp_path)
        for period, losses in raced.race.losses.items():
            assert losses[number] == fixed.results[period].scores["serving"]["logloss"]
        led = {period for period in range(3, 7) if raced.race.turns[period][0] == number}
        assert not led & set(differing_results(raced, fixed))


def test_the_winner_goes_on_with_its_weights_and_moments(tmp_path: Path) -> None:
    raced = short_walk(racing(IncrementalUpdate, test_from=6, budget=0.0), 8, tmp_path)
    (winner,) = raced.race.turns[6]
    assert [raced.race.turns[period] for period in (7, 8)] == [[winner]] * 2
    fixed = alone(IncrementalUpdate, raced.race.settings[winner], 8, tmp_path, test_from=6)
    assert not {6, 7, 8} & set(differing_results(raced, fixed))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(raced.parameters(), fixed.parameters(), strict=True))
    assert raced.race.waiting == {}
    assert raced.trainer.optimizers[0].param_groups[0]["lr"] == raced.race.settings[winner].learning_rate


def test_what_a_generator_has_learned_is_that_of_the_leader_then_and_does_not_change() -> None:
    seen: list[dict[int, Any]] = []

    class Noting(ASMG):
        def end(self, phase: Phase) -> None:
            super().end(phase)
            seen.append(dict(self.learned))

    raced = short_walk(racing(partial(Noting, window=2), dropped_at=NOBODY_LEAVES, margin=0.0), 9)
    leaders = [raced.race.turns[period][0] for period in raced.learned]
    assert len(set(leaders)) > 1, "the leader changes"
    assert [*raced.learned] == [*range(min(raced.learned), 10)]
    for learned in seen:
        assert {period: raced.learned[period] for period in learned} == learned


def same_race(first: Updater, second: Updater) -> bool:
    names = ("turns", "losses", "work", "fallen", "live")
    return all(getattr(first.race, name) == getattr(second.race, name) for name in names)


@pytest.mark.parametrize("name", ["IncrementalUpdate", *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW)])
def test_a_walk_that_is_killed_within_a_race_goes_on_as_if_it_had_not_been(tmp_path: Path, name: str) -> None:
    method = racing(METHODS[name], test_from=6, budget=1.0)
    whole = short_walk(method, 8, tmp_path)
    checkpoints = [p for p in newest_first(tmp_path / "checkpoints") if int(p.name[7:13]) > 2]
    assert len([p for p in checkpoints if "period-000004" in p.name]) == 1  # the turns of a period are one piece
    within = [p for p in checkpoints if read_checkpoint(p)["self_tuning"]["waiting"]]
    assert len(within) >= 2
    for checkpoint in (within[-1], checkpoints[1]):
        resumed = short_walk(method, 8, resume=checkpoint)
        assert differing(whole, resumed) == []
        assert same_race(whole, resumed)


@pytest.mark.parametrize("name", ["IncrementalUpdate", pytest.param("ASMG", marks=pytest.mark.slow)])
def test_states_that_wait_grow_with_the_stream(tmp_path: Path, name: str) -> None:
    method = racing(METHODS[name], dropped_at=NOBODY_LEAVES)
    whole, _ = short_walk(method, 7), short_walk(method, 5, tmp_path)
    resumed = short_walk(method, 7, resume=newest_first(tmp_path / "checkpoints")[0])
    assert differing(whole, resumed) == []
    assert same_race(whole, resumed)


def test_labels_change_later_choices_only() -> None:
    method = racing(IncrementalUpdate, margin=0.0)
    turned = short_walk(method, 7, turned=range(4 * ROWS, 5 * ROWS))
    original = short_walk(method, 7)
    for period in (3, 4, 5):
        assert original.race.turns[period] == turned.race.turns[period]
    assert differing_results(original, turned)[0] == 5
    assert original.race.losses[5] != turned.race.losses[5]


def test_later_races_stay_within_the_budget() -> None:
    raced = short_walk(racing(IncrementalUpdate, test_from=5, budget=0.5), 20).race
    alone = [period for period in raced.work if period >= 5]
    later = [period for period in alone if len(raced.turns[period]) == 2]
    assert [period for period in later if period - 1 not in later] == later[::2]  # each lasts two periods
    assert len({frozenset(raced.turns[period]) for period in later}) >= 2  # not always the same neighbour
    own = extra = 0
    for period in alone:
        leader, *others = raced.turns[period]
        own += raced.work[period][leader]
        extra += sum(raced.work[period][number] for number in others)
        if period + 1 in raced.work and len(raced.turns[period + 1]) == 1:
            assert extra <= 0.5 * own


class Breaking(IncrementalUpdate):
    """Its loss is not a number with a large rate."""

    def loss(self, batch: Batch) -> Tensor:
        broken = self.learning_rate in BROKEN and batch.user.max() > 8
        return super().loss(batch) * (math.nan if broken else 1.0)


BROKEN: set[float] = set()


@pytest.mark.parametrize("broken", [1e-3, 3e-2])
def test_a_setting_that_diverges_leaves_the_race(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: float
) -> None:
    monkeypatch.setattr(f"{__name__}.BROKEN", {broken})
    caplog.set_level(logging.WARNING, "asmg_pl")
    raced = short_walk(racing(Breaking), 6)
    assert len(raced.race.fallen) == 2
    assert {raced.race.settings[k].learning_rate for k in raced.race.fallen} == {broken}
    assert raced.race.settings[raced.race.live].learning_rate != broken
    assert all(parameter.isfinite().all() for parameter in raced.parameters())
    assert caplog.text.count("self-tuning drops the setting") == 2


def test_a_walk_stops_when_all_settings_have_diverged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.BROKEN", {1e-3, 3e-2})
    with pytest.raises(DivergedError):
        short_walk(racing(Breaking), 6)


def test_what_is_given_does_not_race() -> None:
    tuning, sizes = SelfTuning(learning_rates=[1e-3, 3e-3], batch_sizes=[64, 256]), Sizes(9, 9)
    raced = IncrementalUpdate(sizes, learning_rate=1e-2, self_tuning=tuning).race.settings
    assert raced == [(1e-2, 64, 1), (1e-2, 256, 1)]
    fixed = IncrementalUpdate(sizes, learning_rate=1e-2, batch_size=8, passes=3, self_tuning=tuning)
    assert fixed.race.settings == [(1e-2, 8, 3)]
    assert fixed.race.state_dict() == {}
    assert IncrementalUpdate(sizes).race.settings == [(1e-3, None, 1)]


def test_neighbours_differ_by_one_step_of_one_value() -> None:
    settings = SelfTuning(learning_rates=[1e-3, 3e-3, 1e-2], batch_sizes=[64, 256]).settings(None, None, None)
    found = [settings[k] for k in neighbours(settings, settings.index(Setting(3e-3, 64, 1)))]
    assert found == [(1e-3, 64, 1), (3e-3, 256, 1), (1e-2, 64, 1)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"learning_rates": [0.0]}, "model.self_tuning.learning_rates must be positive, got 0.0"),
        ({"batch_sizes": [64, 64]}, "model.self_tuning.batch_sizes names a value twice"),
        ({"passes": [0]}, "model.self_tuning.passes must be positive, got 0"),
        ({"decay": 0.5}, "model.self_tuning.decay must be from 0.8 to 1, got 0.5"),
        ({"margin": math.nan}, "model.self_tuning.margin must not be negative, got nan"),
        ({"race_periods": 0}, "model.self_tuning.race_periods must be at least 1, got 0"),
    ],
)
def test_rules_that_cannot_work_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SelfTuning(**given)


def test_copies_that_do_not_fit_into_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asmg_pl.updaters.memory.memory_of", lambda device: 60_000)
    short_walk(partial(IncrementalUpdate, pretrain_periods=2, pretrain_epochs=2, test_from=4), 4)
    with pytest.raises(ConfigError, match=r"copies that race .* or fewer settings that race"):
        short_walk(racing(IncrementalUpdate), 4)
