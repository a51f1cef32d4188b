"""Give each method its own best steps: choose batch size, passes and learning rates on the warm-up periods alone.

    python tools/tune_methods.py runs/tune --methods configs/methods/*.yaml -- --config DATA.yaml --data.root FOLDER

Every walk ends with period ``test_from`` - 2 (23 of 31), before that of the first model that is tested: it reads no row
of a test period. A setting's score is the serving model's mean AUC over the seeds and the warm-up periods, the one that
selected the pre-training epoch left out. Options are searched one after the other, each with the best values of those
before it and the first ones of those still to come: few walks, but no promise of the best combination; another round
starts from what the one before has found. All walks start from the models that the arguments after ``--`` pre-train,
whatever the setting tried.

Writes ``tuned/METHOD.yaml``, to be given to ``asmg fit`` after the method's own file, and all that was tried as
``tuning.md`` and ``tuning.csv``. Finished walks are not run again; the settings of failed ones are passed over, and one
with a walk that has diverged is never chosen.
"""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml
from messages import one_message, say
from run_files import section as part
from run_files import settings_of
from run_folder import read_runs, summary
from study import Study, existing_file, study_parser
from tables import Shown, figure, publish
from trial import Options, Trial, label
from walks import own_and_rest

from asmg_pl.errors import DataError
from asmg_pl.system.escaping import terminal

GRID = Path(__file__).parents[1] / "configs" / "tuning" / "grid.yaml"
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
    """Where walks end: the last period before that of the first model that is tested."""
    protocol = study.protocol(Trial(method.stem, (method,)))
    last = protocol["test_from"] - 2
    if last < protocol["pretrain_periods"] + 2:
        sys.exit(
            f"{method}: tests begin with period {protocol['test_from']}, which leaves no period after pre-training and "
            "selection to tune on: raise model.test_from"
        )
    return last


def search(
    study: Study, method: Path, values: Mapping[str, Sequence[str]], until: int, rounds: int
) -> dict[Options, dict[str, Any]]:
    """How each setting tried has done, the best first."""
    best = {option: tried[0] for option, tried in values.items()}
    results: dict[Options, dict[str, Any]] = {}
    for option in [*values] * rounds:
        settings: list[Options] = [tuple((best | {option: value}).items()) for value in values[option]]
        trials = {
            Trial(f"{method.stem}/{label(s)}", (method,), (*s, ("loop.until", str(until)))): s
            for s in settings
            if s not in results
        }
        for trial, folders in study.walk(list(trials)).items():
            results[trials[trial]] = summary(read_runs(folders), "warm-up")
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


def show(rows: list[dict[str, Any]]) -> Shown:
    """The table."""
    lines = []
    for row in rows:
        scored = [figure(row[name], ".4f") for name in ("auc", "auc_std", "logloss")]
        costs = [figure(row["steps"], ".0f"), figure(row["seconds"], ".2f")]
        chosen = "yes" if row["chosen"] else "diverged" if row.get("note") else ""
        lines.append([row["method"], row["setting"], chosen, *scored, *costs])
    notes = [f"{row['method']} with {row['setting']}: {row['note']}" for row in rows if row.get("note")]
    return Shown(["method", "setting", "chosen", "warm-up AUC", "std", "LogLoss", "steps", "seconds"], lines, notes)


def main() -> None:
    """Tune method by method; status 1 if a walk failed."""
    parser = study_parser(__doc__)
    parser.add_argument(
        "--grid", type=existing_file, default=GRID, help="values to try, by pattern of methods' names and option"
    )
    parser.add_argument("--rounds", type=int, default=1, help="how often the options are gone through")
    own, rest = own_and_rest(sys.argv[1:])
    options = parser.parse_args(own)
    study = Study(options, rest)
    with one_message():
        grid = read_grid(options.grid)
        (options.folder / "tuned").mkdir(parents=True, exist_ok=True)
        rows = []
        for method in options.methods:
            until = last_period(study, method)
            results = search(study, method, values_for(method.stem, grid), until, options.rounds)
            best = next((setting for setting, result in results.items() if result["auc"] is not None), None)
            rows += [{"method": method.stem, "chosen": s == best, **result} for s, result in results.items()]
            if best is not None:
                comment = terminal(
                    f"# {method.stem}: AUC {results[best]['auc']:.4f} over the warm-up periods to {until}, the best of "
                    f"{len(results)} settings, mean of the seeds {', '.join(map(str, options.seeds))}. Found by"
                )
                command = terminal(f"#   {shlex.join(['python', *sys.argv])}")
                text = f"{comment}\n{command}\n{overlay(best)}"
                (options.folder / "tuned" / method.name).write_text(text, encoding="utf-8")
            elif results:
                say(f"{method.stem}: no setting has a score, so that none is chosen")
        if rows:
            publish(rows, show(rows), options.folder / "tuning")
    study.exit()


if __name__ == "__main__":
    main()
