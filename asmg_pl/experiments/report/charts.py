"""The report's charts as data: for each, the lines and their points by period."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from asmg_pl.experiments.baseline import Methods
from asmg_pl.experiments.report.origin import context_names
from asmg_pl.experiments.runs import Run, learned, scheduled
from asmg_pl.metrics.rivals import title_of
from asmg_pl.metrics.top_k import BASELINES

Chart = dict[str, Any]


def charts(methods: Methods, baseline: str | None) -> list[dict[str, Any]]:
    """The sections of the report in their order, each with a title, a sentence and its charts."""
    sections = [
        ("Scores", "Each period scored before anything was trained on it; test periods are shaded.", _scores),
        (
            "Lists of items",
            "Each case is ranked before anything is trained on its period; dashes need no model.",
            _lists,
        ),
        ("What served", "Where a guard chose what serves, by the periods scored before.", _served),
        ("Drift of the data", "The rows of each period, which are the same for all methods.", _drift),
        ("Costs", "Seconds are those of the fastest seed, memory that of the largest.", _costs),
        ("Self-tuning", "The setting that led in each period, and what the race took.", _self_tuning),
        ("What the generators have learned", "Noted when each serving model has been made.", _learned),
    ]
    made = [
        {"title": title, "note": note, "charts": [chart for chart in make(methods, baseline) if chart["lines"]]}
        for title, note, make in sections
    ]
    return [section for section in made if section["charts"]]


def _scores(methods: Methods, baseline: str | None) -> list[Chart]:
    found = []
    for title, metric, note in [("AUC", "auc", "higher is better"), ("LogLoss", "logloss", "lower is better")]:
        column = f"serving_{metric}"
        lines = [_line(name, _by_period(runs, column), method=name) for name, runs in methods.items()]
        found.append(_chart(title, lines, note=note, digits=4))
    if baseline is not None:
        lines = [
            _line(name, _differences(runs, methods[baseline]), method=name)
            for name, runs in methods.items()
            if name != baseline
        ]
        note = "AUC difference by period, the same seeds paired"
        found.append(_chart(f"Lift over {baseline}", lines, note=note, digits=4, zero=True))
    return found


def _lists(methods: Methods, baseline: str | None) -> list[Chart]:
    """The metrics of lists, of all cases, with those of the baselines; of runs that rank items."""
    ranking = {name: runs for name, runs in methods.items() if all(_lengths(run) for run in runs)}
    found = []
    for metric in dict.fromkeys(metric for runs in ranking.values() for metric in _lengths(runs[0])):
        having = {name: runs for name, runs in ranking.items() if all(metric in _lengths(run) for run in runs)}
        lines = [_line(name, _by_period(runs, f"serving_{metric}"), method=name) for name, runs in having.items()]
        first = next(iter(having.values()))
        beside = {name: f"{name}_{metric}" for name in BASELINES if f"{name}_{metric}" in first[0].metrics.columns}
        lines += [_line(name.replace("_", " "), _by_period(first, column)) for name, column in beside.items()]
        found.append(_chart(title_of(metric), lines, digits=4, least=0))
    return found


def _lengths(run: Run) -> list[str]:
    """The metrics of lists, of all cases, that a run has for what serves."""
    served = [name.removeprefix("serving_") for name in run.metrics.columns if name.startswith("serving_")]
    return [name for name in served if "_at_" in name and name.rpartition("_at_")[2].isdecimal()]


def _served(methods: Methods, baseline: str | None) -> list[Chart]:
    """Which candidates served, and the regret of the choices, of the methods with a guard."""
    guarded = {name: runs for name, runs in methods.items() if all("served" in run.metrics.columns for run in runs)}
    shares = []
    for name, runs in guarded.items():
        for candidate in pl.concat(run.metrics["served"] for run in runs).unique(maintain_order=True).drop_nulls():
            tables = [
                run.metrics.select("period", mean=(pl.col("served") == candidate).cast(pl.Float64)) for run in runs
            ]
            share = pl.concat(tables).group_by("period").agg(pl.col("mean").mean()).sort("period")
            shares.append(_line(f"{name}: {candidate}", share))
    regrets = [_line(name, _by_period(runs, "regret"), method=name) for name, runs in guarded.items()]
    return [
        _chart("Candidates", shares, note="share of the runs in which a candidate served", digits=2, least=0),
        _chart(
            "Regret", regrets, note="mean LogLoss so far, less that of the best fixed candidate", digits=5, zero=True
        ),
    ]


def _by_period(runs: Sequence[Run], column: str) -> pl.DataFrame:
    """Mean, least and greatest of a column over the seeds: ``period``, ``mean``, ``low``, ``high``."""
    tables = [run.metrics.select("period", value=pl.col(column).cast(pl.Float64)) for run in runs]
    return _spread(pl.concat(tables))


def _differences(runs: Sequence[Run], baseline: Sequence[Run]) -> pl.DataFrame:
    def seeds(group: Sequence[Run]) -> pl.DataFrame:
        return pl.concat(
            run.metrics.select("period", seed=pl.lit(run.seed), value=pl.col("serving_auc").cast(pl.Float64))
            for run in group
        )

    pairs = seeds(runs).join(seeds(baseline), on=["seed", "period"], suffix="_base")
    return _spread(pairs.select("period", value=pl.col("value") - pl.col("value_base")))


def _spread(values: pl.DataFrame) -> pl.DataFrame:
    """Mean, least and greatest by period; NaN where one of the seeds has diverged, whatever the others have."""
    value = pl.col("value")
    low, high = (pl.when(value.is_nan().any()).then(math.nan).otherwise(end) for end in (value.min(), value.max()))
    return values.group_by("period").agg(mean=value.mean(), low=low, high=high).sort("period")


def _drift(methods: Methods, baseline: str | None) -> list[Chart]:
    longest = max((run for runs in methods.values() for run in runs), key=lambda run: run.metrics.height)
    table, rows = longest.metrics, pl.col("rows")

    def lines(labels: Mapping[str, str]) -> list[dict[str, Any]]:
        there = {column: label for column, label in labels.items() if column in table.columns}
        shares = {label: (pl.col(column) / rows).cast(pl.Float64) for column, label in there.items()}
        return [_line(label, table.select("period", mean=share)) for label, share in shares.items()]

    counts = _line("rows", table.select("period", mean=rows.cast(pl.Float64)))
    new = {"new_user_rows": "of new users", "new_item_rows": "of new items"}
    return [
        _chart("Label rate", lines({"positives": "label rate"}), note="share of rows with label 1", digits=4),
        _chart("New users and items", lines(new), note="share of the rows that are theirs", digits=3),
        _chart("Rows", [counts], digits=0, least=0),
    ]


def _costs(methods: Methods, baseline: str | None) -> list[Chart]:
    seconds, memory = [], []
    for name, runs in methods.items():
        timings = [run.timings for run in runs if not run.timings.is_empty()]
        trained = [
            t.filter(pl.col("phase") != "score").group_by("period").agg(value=pl.col("seconds").sum()) for t in timings
        ]
        if trained:
            fastest = pl.concat(trained).group_by("period").agg(mean=pl.col("value").min()).sort("period")
            scored = pl.concat(run.metrics["period"] for run in runs)
            fastest = fastest.filter(pl.col("period").is_in(scored.implode()))  # pre-training would dwarf the rest
            seconds.append(_line(name, fastest, method=name))
        noted = [t.select("period", "peak_mib") for t in timings if "peak_mib" in t.columns]
        if noted:
            largest = pl.concat(noted).group_by("period").agg(mean=pl.col("peak_mib").max()).sort("period")
            memory.append(_line(name, largest, method=name))
    return [
        _chart("Training time", seconds, note="seconds per period, scoring left out", digits=2, least=0),
        _chart("Memory", memory, note="MiB taken at most since the process began", digits=0, least=0),
    ]


#: Mean coefficients of a generator, by the end of their names in ``learned.csv``.
COEFFICIENTS = {"move": "last move", "earlier_move": "move before", "value": "value"}

SIGN = "of the last move: above 0 the base model's steps are too short, below 0 they are too long"


def _self_tuning(methods: Methods, baseline: str | None) -> list[Chart]:
    rates, shares = [], []
    for name, runs in methods.items():
        tables = [table for run in runs if run.config and (table := scheduled(run)) is not None]
        if not tables:
            continue
        led = pl.concat(table.filter(turn=0).select("period", value=pl.col("learning_rate")) for table in tables)
        rates.append(_line(name, _spread(led), method=name))
        taken = pl.col("mini_batches")
        own = taken.filter(pl.col("turn") == 0).sum()
        share = [table.group_by("period").agg(value=taken.sum() / own) for table in tables]
        shares.append(_line(name, _spread(pl.concat(share)), method=name))
    return [
        _chart("Learning rate", rates, note="of the base model", digits=4, least=0),
        _chart("Cost of the race", shares, note="mini-batches of all settings, of the leader's", digits=2, least=0),
    ]


def _learned(methods: Methods, baseline: str | None) -> list[Chart]:
    tables = {name: table for name, runs in methods.items() if (table := _learned_by(runs)) is not None}
    if not tables:
        return []
    every = pl.concat(tables.values())
    parts = every["parameters"].unique(maintain_order=True).to_list()

    def line(name: str, part: str, quantity: str, label: str | None = None) -> dict[str, Any]:
        points = tables[name].filter(parameters=part, quantity=quantity).select("period", "mean")
        return _line(label or name, points, method=None if label else name)

    found = []
    for quantity, title, note in [
        ("moved", "Distance from the base model", "‖Θ*−Θ‖ / ‖Θ‖"),
        ("openness", "Update-gate openness", "mean of z: 0 keeps the state, 1 replaces it"),
    ]:
        for part in parts:
            lines = [line(name, part, quantity) for name in tables]
            found.append(_chart(f"{title}: {part}", lines, note=note, digits=4))
    shares = (
        every.filter(pl.col("quantity").str.starts_with("share_"))["quantity"].unique(maintain_order=True).to_list()
    )
    for name in tables:
        for part in parts:
            lines = [line(name, part, share, _age(share, len(shares))) for share in shares]
            found.append(_chart(f"Shares of {name}: {part}", lines, note="of each snapshot in the average", digits=3))
    for name, table in tables.items():
        if not table.filter(quantity="coefficient_move").is_empty():
            for part in parts:
                lines = [line(name, part, f"coefficient_{key}", label) for key, label in COEFFICIENTS.items()]
                found.append(_chart(f"Coefficients of {name}: {part}", lines, note=SIGN, digits=4, zero=True))
    return found


def _age(share: str, count: int) -> str:
    place = share.removeprefix("share_")
    before = count - int(place) if place.isdecimal() else None
    return share if before is None else f"{before} before" if before else "newest"


def _learned_by(runs: Sequence[Run]) -> pl.DataFrame | None:
    """What a method's generator has learned, the mean over its seeds."""
    noted = [table for run in runs if run.config and (table := learned(run)) is not None and not table.is_empty()]
    if not noted:
        return None
    keys = ["parameters", "quantity", "period"]
    named = {f"context_{number}": f"context {name}" for number, name in enumerate(context_names(runs[0]))}
    found = pl.concat(noted).group_by(keys, maintain_order=True).agg(mean=pl.col("value").mean())
    return found.with_columns(pl.col("parameters").replace(named))


def _chart(
    title: str,
    lines: Iterable[dict[str, Any]],
    note: str = "",
    digits: int = 4,
    zero: bool = False,
    least: float | None = None,
) -> Chart:
    """A chart of those lines that have a point.

    Args:
        title: what is drawn.
        lines: made by :func:`_line`.
        note: what the numbers are.
        digits: after the point.
        zero: whether a line is drawn at 0.
        least: a value that the axis reaches down to in any case.
    """
    kept = [line for line in lines if any(value is not None for value in line["mean"])]
    return {"title": title, "note": note, "digits": digits, "zero": zero, "least": least, "lines": kept}


def _line(label: str, points: pl.DataFrame, method: str | None = None) -> dict[str, Any]:
    """A line; with a method's name it has that method's colour. Numbers that are not defined become null."""

    def plain(column: str) -> list[float | None]:
        return [value if value is not None and math.isfinite(value) else None for value in points[column]]

    line = {"label": label, "method": method, "period": points["period"].to_list(), "mean": plain("mean")}
    if "low" in points.columns and not points["low"].equals(points["high"]):
        line |= {"low": plain("low"), "high": plain("high")}
    return line
