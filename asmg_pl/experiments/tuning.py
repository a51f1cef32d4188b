"""Tuning: the batch size, passes and learning rates that suit each method best, chosen on the warm-up periods alone.

Every walk ends with period ``test_from`` - 2, before that of the first model that is tested: it reads no row of a test
period. A setting's score is the serving model's mean AUC over the seeds and the warm-up periods; the period that
selected the pre-training epoch does not count.

Options are searched one after the other, each with the best values of the options before it and the first values of the
options after it. That takes few walks, and need not find the best combination. Another round starts from what the
one before has found. All walks start from the same pre-trained models, whatever the setting.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from asmg_pl.errors import ConfigError, DataError
from asmg_pl.experiments.rendering import Printed, figure, publish
from asmg_pl.experiments.run_files import section as part
from asmg_pl.experiments.run_files import settings_of
from asmg_pl.experiments.study import Study
from asmg_pl.experiments.summary import summary
from asmg_pl.experiments.trial import Options, Trial, label
from asmg_pl.system.escaping import terminal

logger = logging.getLogger(__name__)

Grid = Mapping[str, Mapping[str, Sequence[Any]]]


def values_for(method: str, grid: Grid) -> dict[str, list[str]]:
    """The values to try, by option: those of all sections whose pattern fits the method, later ones overriding."""
    fitting = {
        option: tried
        for pattern, options in grid.items()
        if fnmatch(method, pattern)
        for option, tried in options.items()
    }
    return {option: [v if isinstance(v, str) else json.dumps(v) for v in tried] for option, tried in fitting.items()}


def read_grid(file: Path) -> Grid:
    """The values to try.

    Raises:
        DataError: if the file holds anything but lists of values by pattern and option.
    """
    grid = settings_of(file)
    for pattern in grid:
        for option, tried in part(grid, pattern, path=file).items():
            if not isinstance(tried, list) or not tried:
                raise DataError(f"{file}: {pattern}.{option} must be a list of values")
    return {pattern: part(grid, pattern) for pattern in grid}


def last_period(study: Study, method: Path) -> int:
    """The period with which walks end: the last one before that of the first model that is tested.

    Raises:
        ConfigError: if there is no warm-up period until then.
    """
    protocol = study.protocol(Trial(method.stem, (method,)))
    last = protocol["test_from"] - 2
    if last < protocol["pretrain_periods"] + 2:
        raise ConfigError(
            f"{method}: tests begin with period {protocol['test_from']}, which leaves no period after pre-training and "
            "selection to tune on: raise model.test_from"
        )
    return last


def search(
    study: Study, method: Path, values: Mapping[str, Sequence[str]], until: int, rounds: int
) -> dict[Options, dict[str, Any]]:
    """Try settings, one option after the other.

    Args:
        study: walks them.
        method: the method's file.
        values: to try, by option.
        until: the period with which walks end.
        rounds: how often the options are gone through.

    Returns:
        The summary of each setting tried, the best first.
    """
    best = {option: tried[0] for option, tried in values.items()}
    results: dict[Options, dict[str, Any]] = {}
    for option in [*values] * rounds:
        settings: list[Options] = [tuple((best | {option: value}).items()) for value in values[option]]
        trials = {
            Trial(f"{method.stem}/{label(s)}", (method,), (*s, ("loop.until", str(until)))): s
            for s in settings
            if s not in results
        }
        for trial, runs in study.runs(list(trials)).items():
            results[trials[trial]] = summary(runs, "warm-up")
        if ended := [s for s in settings if s in results and results[s]["auc"] is not None]:
            leader = max(ended, key=lambda s: results[s]["auc"])
            best = dict(leader)
    return dict(sorted(results.items(), key=_worst_first, reverse=True))


def _worst_first(result: tuple[Options, Mapping[str, Any]]) -> float:
    """A setting's AUC; that of one without, since a walk has diverged, is the worst."""
    auc: float | None = result[1]["auc"]
    return -math.inf if auc is None else auc


def parsed(value: str) -> Any:
    """A value as it was before it became an argument; JSON reads numbers like 1e-05, which YAML takes for text."""
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def overlay(setting: Options) -> str:
    """A configuration file with these options."""
    tree: dict[str, Any] = {}
    for option, value in setting:
        *sections, name = option.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[name] = parsed(value)
    return yaml.safe_dump(tree, sort_keys=False)


def show(rows: list[dict[str, Any]]) -> Printed:
    """The table."""
    lines = []
    for row in rows:
        scored = [figure(row[name], ".4f") for name in ("auc", "auc_std", "logloss")]
        costs = [figure(row["steps"], ".0f"), figure(row["seconds"], ".2f")]
        chosen = "yes" if row["chosen"] else "diverged" if row.get("note") else ""
        lines.append([row["method"], row["setting"], chosen, *scored, *costs])
    notes = [f"{row['method']} with {row['setting']}: {row['note']}" for row in rows if row.get("note")]
    header = ["method", "setting", "chosen", "warm-up AUC", "std", "LogLoss", "steps", "seconds"]
    return Printed(header, lines, notes, details=["steps", "seconds", "std"])


def tune(study: Study, methods: Sequence[Path], grid: Grid, rounds: int = 1, command: str = "") -> None:
    """Choose each method's setting; print what was tried, and write it as ``tuning.md``, ``.tex`` and ``.csv``.

    A chosen setting is ``tuned/METHOD.yaml`` in the study's folder, to be given to ``asmg fit`` after the method's own
    file. The settings of failed walks are passed over, and one that has diverged is never chosen.

    Args:
        study: walks the settings.
        methods: the methods' files.
        grid: values to try, see :func:`read_grid`.
        rounds: how often the options are gone through.
        command: what the files of chosen settings name as their origin.

    Raises:
        UserError: if there is no warm-up period to tune on, or what a walk has left cannot be read.
    """
    chosen = study.folder / "tuned"
    chosen.mkdir(parents=True, exist_ok=True)
    rows = []
    for method in methods:
        until = last_period(study, method)
        results = search(study, method, values_for(method.stem, grid), until, rounds)
        best = next((setting for setting, result in results.items() if result["auc"] is not None), None)
        rows += [{"method": method.stem, "chosen": s == best, **result} for s, result in results.items()]
        if best is not None:
            comment = terminal(
                f"# {method.stem}: AUC {results[best]['auc']:.4f} over the warm-up periods to {until}, the best of "
                f"{len(results)} settings, mean of the seeds {', '.join(map(str, study.seeds))}. Found by"
            )
            text = f"{comment}\n#   {terminal(command)}\n{overlay(best)}"
            (chosen / method.name).write_text(text, encoding="utf-8")
        elif results:
            logger.warning("%s: no setting has a score, so that none is chosen", method.stem)
    if rows:
        publish(rows, show(rows), study.folder / "tuning")
