"""Checks of a race of settings within a checkpoint."""

from __future__ import annotations

from typing import Any

from asmg_pl.checkpoints.states import optimizer_states, state_dict
from asmg_pl.checkpoints.values import Flaw, integer, mapping, number, sequence

RACE = ("settings", "turns", "losses", "work", "results", "fallen", "live", "waiting")


def race(entry: str, value: Any) -> None:
    """Check the race of settings, see :mod:`asmg_pl.updaters.tuning.race`."""
    if not mapping(entry, value):
        return
    if value.keys() != set(RACE):
        raise Flaw(entry, f"must have the keys {', '.join(RACE)}")
    numbers = range(len(sequence(f"{entry}.settings", value["settings"])))
    _setting(f"{entry}.live", value["live"], numbers)
    for setting in sequence(f"{entry}.fallen", value["fallen"]):
        _setting(f"{entry}.fallen", setting, numbers)
    for period, order in mapping(f"{entry}.turns", value["turns"], int).items():
        for setting in sequence(f"{entry}.turns.{period}", order):
            _setting(f"{entry}.turns.{period}", setting, numbers)
    for name in ("losses", "work"):
        for period, found in mapping(f"{entry}.{name}", value[name], int).items():
            for setting, amount in mapping(f"{entry}.{name}.{period}", found, int).items():
                _setting(f"{entry}.{name}.{period}", setting, numbers)
                number(f"{entry}.{name}.{period}.{setting}", amount, least=0, defined=name == "work")
    for setting in mapping(f"{entry}.results", value["results"], int):
        _setting(f"{entry}.results", setting, numbers)
    for setting, state in mapping(f"{entry}.waiting", value["waiting"], int).items():
        here = f"{entry}.waiting.{setting}"
        _setting(here, setting, numbers)
        if not mapping(here, state).keys() >= {"state_dict", "optimizer_states"}:
            raise Flaw(here, "must have the keys state_dict and optimizer_states")
        state_dict(f"{here}.state_dict", state["state_dict"])
        optimizer_states(f"{here}.optimizer_states", state["optimizer_states"])


def _setting(entry: str, value: Any, numbers: range) -> None:
    integer(entry, value, most=len(numbers) - 1)
