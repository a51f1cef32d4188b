"""Checks of results, and of what generators have learned, within a checkpoint."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from asmg_pl.checkpoints.values import Flaw, integer, mapping, number, sequence, shown, text
from asmg_pl.metrics.results import PeriodResult

SPLITS = ("selection", "warm-up", "test", "seen")

#: Entries of a result that may be missing: where no guard has chosen, or in checkpoints of an earlier version.
OPTIONAL = {"constant", "served", "why", "regret", "known_logloss", "ranking", "positive_weight"}


def check_results(entry: str, results: Any, newest: int) -> None:
    """Check the results of a walk, by period."""
    names = {field.name for field in fields(PeriodResult)}
    for period, result in mapping(entry, results, int).items():
        here = f"{entry}.{period}"
        if mapping(here, result).keys() | OPTIONAL != names:
            raise Flaw(here, f"must have the keys {', '.join(sorted(names))}")
        integer(f"{here}.period", result["period"], period, period)
        integer(here, period, 1, newest)
        if result["split"] not in SPLITS:
            raise Flaw(f"{here}.split", f"must be one of {', '.join(SPLITS)}, not {shown(result['split'])}")
        integer(f"{here}.rows", result["rows"])
        for model, rows in mapping(f"{here}.diverged", result["diverged"]).items():
            integer(f"{here}.diverged.{model}", rows, 1, result["rows"])
        for model in sequence(f"{here}.constant", result.get("constant", [])):
            text(f"{here}.constant", model)
        for name in ("served", "why"):
            if result.get(name) is not None:
                text(f"{here}.{name}", result[name])
        if result.get("served") is not None and result["served"] not in result["scores"]:
            raise Flaw(f"{here}.served", f"must be a scored model, not {shown(result['served'])}")
        if result.get("regret") is not None:
            number(f"{here}.regret", result["regret"], defined=False)
        if result.get("positive_weight") is not None:
            number(f"{here}.positive_weight", result["positive_weight"])
        for model, loss in mapping(f"{here}.known_logloss", result.get("known_logloss", {})).items():
            number(f"{here}.known_logloss.{model}", loss, defined=False)
        for name in ("positives", "new_user_rows", "new_item_rows"):
            integer(f"{here}.{name}", result[name], most=result["rows"])
        if not mapping(f"{here}.scores", result["scores"]):
            raise Flaw(f"{here}.scores", "is empty")
        for kind in ("scores", "ranking"):
            for model, scores in mapping(f"{here}.{kind}", result.get(kind, {})).items():
                for metric, score in mapping(f"{here}.{kind}.{model}", scores).items():
                    number(f"{here}.{kind}.{model}.{metric}", score, defined=False)
    if list(results) != sorted(results):
        raise Flaw(entry, "has periods in another order than the walk")


def check_learned(entry: str, learned: Any, newest: int) -> None:
    """Check what generators have learned, by period."""
    for period, found in mapping(entry, learned, int).items():
        integer(f"{entry}.{period}", period, 1, newest)
        for parameters, quantities in mapping(f"{entry}.{period}", found).items():
            for quantity, value in mapping(f"{entry}.{period}.{parameters}", quantities).items():
                number(f"{entry}.{period}.{parameters}.{quantity}", value, defined=False)
