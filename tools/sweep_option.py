"""Sweep one option: how methods do at each of its values.

    python tools/sweep_option.py runs/window --vary model.init_args.window 1 2 3 4 5 6
        --methods configs/methods/gru_*.yaml --baseline configs/methods/iu.yaml -- --config DATA.yaml --data.root FOLDER

Everything after ``--`` goes to ``asmg fit``, before the method's file, and pre-trains the base model that all walks
start from, unless the option belongs to the base model. The baseline is walked without the option. With ``--tuned
FOLDER``, methods that have been tuned keep their chosen settings. Prints a Markdown table of the mean test AUC and its
standard deviation over the seeds; writes it as ``sweep.md``, ``sweep.csv`` and a plot, ``sweep.png``, into the folder.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

from comparison import save
from matplotlib.figure import Figure
from messages import one_message
from run_folder import read_runs, summary, untested
from study import Study, existing_file, study_parser
from tables import Shown, figure, publish
from trial import TUNED, Trial, label, tuned_files
from walks import own_and_rest

from asmg_pl.system.escaping import mathtext


def draw(rows: list[dict[str, Any]], option: str, values: list[str], path: Path) -> None:
    """AUC by value, a line per method with bars for the spread over the seeds; the baseline is dashed."""
    canvas = Figure(figsize=(8, 4.5), layout="constrained")
    axis = canvas.subplots()
    varied = [row for row in rows if row["value"] is not None]
    for method in dict.fromkeys(row["method"] for row in varied):
        line = [row for row in varied if row["method"] == method]
        spread = [row["auc_std"] or 0.0 for row in line]
        places = [values.index(row["value"]) for row in line]
        aucs = [math.nan if row["auc"] is None else row["auc"] for row in line]
        axis.errorbar(places, aucs, spread, marker="o", markersize=3.5, capsize=3, label=mathtext(method))
    for row in rows:
        if row["value"] is None and row["auc"] is not None:
            axis.axhline(row["auc"], linestyle="--", color="grey", label=mathtext(row["method"]))
    axis.set_xticks(range(len(values)), [mathtext(value) for value in values])
    axis.set(xlabel=mathtext(option), ylabel="AUC, mean over test periods and seeds")
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    canvas.legend(loc="outside right upper", frameon=False)
    save(canvas, path, dpi=130)


def show(rows: list[dict[str, Any]], option: str) -> Shown:
    """The table."""
    lines = []
    for row in rows:
        numbers = [figure(row[name], ".4f") for name in ("auc", "auc_std", "logloss")]
        numbers += [figure(row["steps"], ".0f"), figure(row["seconds"], ".2f")]
        lines.append([row["method"], row["value"] or "", *numbers])
    notes = [f"{row['method']} with {option} {row['value']}: {row['note']}" for row in rows if row["note"]]
    return Shown(["method", option, "AUC", "std", "LogLoss", "steps", "seconds"], lines, notes)


def main() -> None:
    """Walk, then print and write the sweep; status 1 if a walk failed."""
    parser = study_parser(__doc__)
    parser.add_argument("--vary", nargs="+", required=True, metavar=("OPTION", "VALUE"), help="an option, its values")
    parser.add_argument("--tuned", type=Path, help=TUNED)
    parser.add_argument(
        "--baseline", type=existing_file, help="configuration file of a method to compare with, a dashed line"
    )
    own, rest = own_and_rest(sys.argv[1:])
    options = parser.parse_args(own)
    option, *values = options.vary
    if not values:
        parser.error(f"--vary {option} names no value")

    trials: dict[Trial, str | None] = {}
    for method in options.methods:
        for value in values:
            setting = ((option, value),)
            trials[Trial(f"{method.stem}/{label(setting)}", (method, *tuned_files(method, options.tuned)), setting)] = (
                value
            )
    if options.baseline:
        trials[Trial(options.baseline.stem, (options.baseline, *tuned_files(options.baseline, options.tuned)))] = None

    study = Study(options, rest)
    rows = []
    with one_message():
        for trial, folders in study.walk(list(trials)).items():
            runs = read_runs(folders)
            found = summary(runs)
            found["note"] = found["note"] or untested(runs)
            rows.append({"method": trial.files[0].stem, "value": trials[trial], **found})
        if rows:
            draw(rows, option, values, options.folder / "sweep.png")
            publish(rows, show(rows, option), options.folder / "sweep")
    study.exit()


if __name__ == "__main__":
    main()
