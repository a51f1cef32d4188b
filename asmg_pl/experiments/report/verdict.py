"""The verdict in plain words: which method is best, by how much, and whether that is certain."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from asmg_pl.experiments.baseline import Methods
from asmg_pl.experiments.comparison import compare
from asmg_pl.experiments.rendering import figure
from asmg_pl.metrics.paired import Lift
from asmg_pl.metrics.rivals import lost_to

Rows = Sequence[Mapping[str, Any]]


def verdict(methods: Methods, rows: Rows, baseline: str | None) -> str:
    """One sentence or several, without markup.

    Args:
        methods: the runs of each method.
        rows: made by :func:`~asmg_pl.experiments.comparison.compare`, by AUC on the test periods.
        baseline: the method that lifts are over.
    """
    return " ".join([_verdict(methods, rows, baseline), *lost_to(_metrics(methods))])


def _verdict(methods: Methods, rows: Rows, baseline: str | None) -> str:
    best = next((row for row in rows if row["standing"] == "best"), None)
    if best is None:
        return _undecided(rows)
    if len(rows) == 1:
        loss = figure(best["logloss"], ".4f") or "undefined"
        return (
            f"{best['method']} has a mean AUC of {best['auc']:.4f} and a mean LogLoss of {loss} on "
            f"{_periods(methods)}; there is no other method to compare it with."
        )
    said = [_by_auc(methods, rows, best, baseline), _by_loss(methods, best["method"], baseline)]
    if left_out := [f"{row['method']} ({row['standing']})" for row in rows if row["note"]]:
        said.append(f"Not in the running: {_listed(left_out)}.")
    if max(len({run.seed for run in runs}) for runs in methods.values()) == 1:
        said.append("Each method has walked with one seed: the intervals say nothing about other seeds.")
    return " ".join(sentence for sentence in said if sentence)


def _metrics(methods: Methods) -> dict[str, list[pl.DataFrame]]:
    """The scores of the methods whose walks are sound."""
    sound = {name: runs for name, runs in methods.items() if not any(run.diverged for run in runs)}
    return {name: [run.metrics for run in runs] for name, runs in sound.items()}


def _undecided(rows: Rows) -> str:
    standings = {row["standing"] for row in rows}
    if standings == {"no test period"}:
        return "Not decided: no test period has been scored yet."
    names = _listed([f"{row['method']} ({row['standing'] or 'without a score'})" for row in rows])
    return f"Not decided: no method has finished the test periods with a score: {names}."


def _by_auc(methods: Methods, rows: Rows, best: Mapping[str, Any], baseline: str | None) -> str:
    name, alike = best["method"], [row["method"] for row in rows if row["standing"] == "≈"]
    sentence = f"{name} has the best mean AUC on {_periods(methods)}, {best['auc']:.4f}"
    if name == baseline:
        sentence += ", and it is the baseline: no other method has a higher mean"
    elif baseline is not None:
        sentence += _lift(best, baseline)
    others = [other for other in alike if other != baseline]
    return f"{sentence}." + (f" The periods and seeds do not tell it from {_listed(others)}." if others else "")


def _lift(row: Mapping[str, Any], baseline: str) -> str:
    """A lift in words, with its interval, and what the interval decides."""
    lift, low, high = (row.get(name, math.nan) for name in ("lift", "low", "high"))
    if math.isnan(lift):
        return f"; {row['method']} has no lift, since {baseline} has diverged or shares no period with it"
    sentence = f", {abs(lift):.4f} {'above' if lift > 0 else 'below'} {baseline}"
    if math.isnan(low):
        return f"{sentence}; that is a single score, which decides nothing"
    interval = f"the 95 % interval of the difference, {low:+.4f} to {high:+.4f},"
    if Lift(lift, low, high).distinct:
        return f"{sentence}; {interval} excludes zero"
    return f"{sentence}; {interval} includes zero, so that it is not decided which of the two is better"


def _by_loss(methods: Methods, best: str, baseline: str | None) -> str:
    rows = compare(methods, baseline, metric="logloss")
    row = next((row for row in rows if row["standing"] == "best"), None)
    if row is None or row["logloss"] is None:
        return ""
    name, also = row["method"], " too" if row["method"] == best else ""
    sentence = f"By LogLoss {name} is best{also}, with {row['logloss']:.4f}"
    if baseline is not None and name != baseline:
        sentence += _lift(row, baseline)
    if any(other["method"] == best and other["standing"] == "≈" for other in rows):
        sentence += f"; {best} cannot be told from it"
    return sentence + "."


def _periods(methods: Methods) -> str:
    periods = [p for runs in methods.values() for run in runs for p in run.metrics.filter(split="test")["period"]]
    first, last = min(periods), max(periods)
    return f"the test periods {first} to {last}" if first != last else f"the test period {first}"


def _listed(names: Sequence[str]) -> str:
    """Names as an enumeration."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
