"""A sweep: how methods do at every combination of some options' values."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from asmg_pl.errors import ConfigError
from asmg_pl.experiments.plots import draw_sweep
from asmg_pl.experiments.rendering import Printed, figure, publish
from asmg_pl.experiments.run_files import section, settings_of
from asmg_pl.experiments.study import Study
from asmg_pl.experiments.summary import summary, untested
from asmg_pl.experiments.trial import Options, Trial, label, tuned_files

Values = Mapping[str, Sequence[str]]


def read_values(file: Path) -> Values:
    """The values to try, by option, of a sweep file of Weights & Biases.

    Of the file, ``parameters`` counts: each has a list of ``values``, or its one ``value``.

    Raises:
        ConfigError: if the file asks for another search than a grid, or names no values.
    """
    sweep = settings_of(file)
    if sweep.get("method") != "grid":
        raise ConfigError(
            f"{file}: method must be grid, not {sweep.get('method')}: other searches need the sweep server"
        )
    values: dict[str, list[str]] = {}
    parameters = section(sweep, "parameters", path=file)
    for option in parameters:
        told = section(parameters, option, path=f"{file}: parameters")
        tried = told.get("values", [told["value"]] if "value" in told else None)
        if not isinstance(tried, list) or not tried:
            raise ConfigError(
                f"{file}: parameters.{option} has neither values nor a value: a grid needs a list of them"
            )
        values[option] = [v if isinstance(v, str) else json.dumps(v) for v in tried]
    if not values:
        raise ConfigError(f"{file} has no parameters: name the options to vary with their values")
    return values


def settings(values: Values) -> list[Options]:
    """All combinations of values, an option with its value each; the last option varies fastest.

    >>> settings({"data.batch_size": ["64", "256"], "loop.until": ["23"]})
    [(('data.batch_size', '64'), ('loop.until', '23')), (('data.batch_size', '256'), ('loop.until', '23'))]
    """
    return list(product(*([(option, value) for value in tried] for option, tried in values.items())))


def varied(values: Values) -> list[str]:
    """The options that have several values; all, if none has."""
    return [option for option, tried in values.items() if len(tried) > 1] or list(values)


def sweep(
    study: Study,
    methods: Sequence[Path],
    values: Values,
    tuned: Path | None = None,
    baseline: Path | None = None,
    split: str = "warm-up",
) -> list[dict[str, Any]]:
    """Walk each method at each setting.

    Args:
        study: whose folder gets ``METHOD/OPTION=VALUE,…`` with a run folder per seed.
        methods: the methods' files.
        values: to try, by option.
        tuned: a folder with chosen settings that methods keep beside the varied ones.
        baseline: the file of a method that is walked once, without the varied options.
        split: of the periods that count.

    Returns:
        A row per setting, the best first: ``method``, the value of each option, and
        :func:`~asmg_pl.experiments.summary.summary`. The baseline's row has no values. Settings with a failed walk are
        left out.
    """
    names = varied(values)
    trials: dict[Trial, dict[str, str | None]] = {}
    for method in methods:
        for setting in settings(values):
            folder = f"{method.stem}/{label(pair for pair in setting if pair[0] in names)}"
            trials[Trial(folder, (method, *tuned_files(method, tuned)), setting)] = {**dict(setting)}
    if baseline is not None:
        fixed = tuple((option, tried[0]) for option, tried in values.items() if option not in names)
        trials[Trial(baseline.stem, (baseline, *tuned_files(baseline, tuned)), fixed)] = dict.fromkeys(values)
    rows = []
    for trial, runs in study.runs(list(trials)).items():
        found = summary(runs, split)
        found["note"] = found["note"] or (untested(runs) if split == "test" else "")
        rows.append({"method": trial.files[0].stem, **trials[trial], **found})
    return sorted(rows, key=lambda row: -math.inf if row["auc"] is None else row["auc"], reverse=True)


def show(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Printed:
    """The table as it is printed.

    Args:
        rows: made by :func:`sweep`.
        names: the options that vary, each a column.
    """
    lines = []
    for row in rows:
        scored = [figure(row[name], ".4f") for name in ("auc", "auc_std", "logloss")]
        costs = [figure(row["steps"], ".0f"), figure(row["seconds"], ".2f")]
        lines.append([row["method"], *(row[option] or "" for option in names), *scored, *costs])
    titles = [label([(option, "")]).rstrip("=") for option in names]
    notes = [f"{_name(row, names)}: {row['note']}" for row in rows if row["note"]]
    header = ["method", *titles, "AUC", "std", "LogLoss", "steps", "seconds"]
    return Printed(header, lines, notes, details=["steps", "seconds", "std"])


def _name(row: Mapping[str, Any], names: Sequence[str]) -> str:
    """A method with its setting, in words; a baseline has none."""
    setting = label((option, row[option]) for option in names if row[option] is not None)
    return f"{row['method']} with {setting}" if setting else row["method"]


def publish_sweep(rows: Sequence[Mapping[str, Any]], values: Values, folder: Path, split: str) -> None:
    """Print the table; write it as ``sweep.md``, ``.tex`` and ``.csv``, and ``sweep.png`` where one option varies.

    Args:
        rows: made by :func:`sweep`.
        values: that were tried, by option.
        folder: where the files go.
        split: of the periods that count.
    """
    names = varied(values)
    if len(names) == 1:
        draw_sweep(rows, names[0], values[names[0]], folder / "sweep.png", split)
    publish(rows, show(rows, names), folder / "sweep")
