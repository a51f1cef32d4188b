"""Give each method its own best steps: choose batch size, passes and learning rates on the warm-up periods alone.

    python tools/tune_methods.py runs/tune --methods configs/methods/*.yaml -- --config DATA.yaml --data.root FOLDER

Every walk ends with period ``test_from`` - 2 (23 of 31), before that of the first model that is tested: it reads no row
of a test period. A setting's score is the serving model's mean AUC over the seeds and the warm-up periods, the one that
selected the pre-training epoch left out. Options are searched one after the other, each with the best values of those
before it and the first ones of those still to come: few walks, but no promise of the best combination; another round
starts from what the one before has found. All walks start from the models that the arguments after ``--`` pre-train,
whatever the setting tried.

Writes ``tuned/METHOD.yaml``, to be given to ``asmg fit`` after the method's own file, and all that was tried as
``tuning.md`` and ``tuning.csv``. Finished walks are not run again; the settings of failed ones are passed over.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml
from run_folder import read_runs, summary
from study import Study, existing_file, study_parser
from tables import Shown, publish
from trial import Options, Trial, label
from walks import own_and_rest

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
        if ended := [s for s in settings if s in results]:
            leader = max(ended, key=lambda s: results[s]["auc"])
            best = dict(leader)
    return dict(sorted(results.items(), key=lambda result: result[1]["auc"], reverse=True))


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
        scored = [
            f"{row['auc']:.4f}",
            "" if row["auc_std"] is None else f"{row['auc_std']:.4f}",
            f"{row['logloss']:.4f}",
        ]
        costs = [f"{row['steps']:.0f}", f"{row['seconds']:.2f}"]
        lines.append([row["method"], row["setting"], "yes" if row["chosen"] else "", *scored, *costs])
    return Shown(["method", "setting", "chosen", "warm-up AUC", "std", "LogLoss", "steps", "seconds"], lines)


def main() -> None:
    """Tune method by method; status 1 if a walk failed."""
    parser = study_parser(__doc__)
    parser.add_argument(
        "--grid", type=existing_file, default=GRID, help="values to try, by pattern of methods' names and option"
    )
    parser.add_argument("--rounds", type=int, default=1, help="how often the options are gone through")
    own, rest = own_and_rest(sys.argv[1:])
    options = parser.parse_args(own)
    grid = yaml.safe_load(options.grid.read_text())

    study = Study(options, rest)
    (options.folder / "tuned").mkdir(parents=True, exist_ok=True)
    rows = []
    for method in options.methods:
        until = last_period(study, method)
        results = search(study, method, values_for(method.stem, grid), until, options.rounds)
        best = next(iter(results), None)
        rows += [{"method": method.stem, "chosen": s == best, **result} for s, result in results.items()]
        if best is not None:
            comment = (
                f"# {method.stem}: AUC {results[best]['auc']:.4f} over the warm-up periods to {until}, the best of "
                f"{len(results)} settings, mean of the seeds {', '.join(map(str, options.seeds))}. Found by\n"
                f"#   {shlex.join(['python', *sys.argv])}\n"
            )
            (options.folder / "tuned" / method.name).write_text(comment + overlay(best))
    if rows:
        publish(rows, show(rows), options.folder / "tuning")
    study.exit()


if __name__ == "__main__":
    main()
