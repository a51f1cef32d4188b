"""Walk every setting of a grid, read from a sweep file of Weights & Biases, without it.

    python tools/sweep.py runs/sweep --grid configs/sweeps/asmg.yaml --methods configs/methods/gru_multi.yaml
        -- --config DATA.yaml --data.root FOLDER

Everything after ``--`` goes to ``asmg fit``, before the method's file and the setting, and pre-trains the model that
all settings of a seed start from, unless a setting belongs to the base model. Of the file, ``parameters`` counts, each
with its ``values`` or its one ``value``. Finished walks are not run again, interrupted ones go on, failed ones are
reported and the rest kept. Prints a Markdown table of the mean scores over the warm-up periods, the best setting first;
writes it as ``sweep.md``, ``sweep.csv`` and ``sweep.tex`` into the folder.
"""

from __future__ import annotations

import json
import math
import sys
from itertools import product
from pathlib import Path
from typing import Any

from messages import one_message
from run_files import section, settings_of
from run_folder import read_runs, summary
from study import Study, existing_file, study_parser
from tables import Shown, figure, publish
from trial import TUNED, Options, Trial, label, tuned_files
from walks import own_and_rest

from asmg_pl.errors import ConfigError, UserError


def settings(file: Path) -> list[Options]:
    """All settings of a grid, an option with its value each, in the order of the file; the last option varies fastest.

    Raises:
        ConfigError: if the file is no grid.
    """
    sweep = settings_of(file)
    if sweep.get("method") != "grid":
        raise ConfigError(
            f"{file}: method must be grid, not {sweep.get('method')}: other searches need the sweep server"
        )
    values = []
    parameters = section(sweep, "parameters", path=file)
    for option in parameters:
        told = section(parameters, option, path=f"{file}: parameters")
        tried = told.get("values", [told["value"]] if "value" in told else None)
        if not isinstance(tried, list) or not tried:
            raise ConfigError(
                f"{file}: parameters.{option} has neither values nor a value: a grid needs a list of them"
            )
        values.append([(option, v if isinstance(v, str) else json.dumps(v)) for v in tried])
    if not values:
        raise ConfigError(f"{file} has no parameters: name the options to vary with their values")
    return list(product(*values))


def show(rows: list[dict[str, Any]], varied: list[str]) -> Shown:
    """The table."""
    lines = [
        [
            row["method"],
            *(row[option] for option in varied),
            figure(row["auc"], ".4f"),
            figure(row["auc_std"], ".4f"),
            figure(row["logloss"], ".4f"),
            figure(row["seconds"], ".2f"),
        ]
        for row in rows
    ]
    header = ["method", *(label([(o, "")]).rstrip("=") for o in varied), "AUC", "std", "LogLoss", "seconds"]
    named = [
        f"{row['method']} with {label((o, row[o]) for o in varied)}: {row['note']}" for row in rows if row.get("note")
    ]
    return Shown(header, lines, named)


def main() -> None:
    """Walk, then print and write the sweep; status 1 if a walk failed."""
    parser = study_parser(__doc__)
    parser.add_argument("--grid", type=existing_file, required=True, help="a sweep file with method: grid")
    parser.add_argument("--split", choices=["warm-up", "test"], default="warm-up", help="the periods that count")
    parser.add_argument("--tuned", type=Path, help=TUNED)
    own, rest = own_and_rest(sys.argv[1:])
    options = parser.parse_args(own)
    try:
        grid = settings(options.grid)
    except UserError as error:
        parser.error(str(error))
    varied = [option for option, _ in grid[0] if len({dict(setting)[option] for setting in grid}) > 1]

    study = Study(options, rest)
    trials = {
        Trial(
            f"{method.stem}/{label(pair for pair in setting if pair[0] in varied)}",
            (method, *tuned_files(method, options.tuned)),
            setting,
        ): setting
        for method in options.methods
        for setting in grid
    }
    rows = []
    with one_message():
        for trial, folders in study.walk(list(trials)).items():
            scored = summary(read_runs(folders), options.split)
            rows.append({"method": trial.files[0].stem, **dict(trials[trial]), **scored})
        if rows:
            rows.sort(key=lambda row: -math.inf if row["auc"] is None else row["auc"], reverse=True)
            publish(rows, show(rows, varied), options.folder / "sweep")
    study.exit()


if __name__ == "__main__":
    main()
