"""Walk one stream with several methods and compare them: same rows, same seeds, same pre-trained models.

    python tools/compare_methods.py runs/all --methods configs/methods/*.yaml -- --config DATA.yaml --data.root FOLDER

Everything after ``--`` goes to ``asmg fit``, before the method's file, and pre-trains the base model that all methods
start from; a method whose file names another base model pre-trains that. With ``--tuned FOLDER``, a method that has
been tuned gets a second row, NAME_tuned. Finished walks are not run again, interrupted ones go on, failed ones are
reported and the rest kept. Prints a Markdown table of the test periods, with each method's setting and costs beside its
scores; writes it as ``comparison.md``, ``comparison.csv`` and a plot, ``comparison.png``, into the folder.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib import colormaps
from matplotlib.figure import Figure
from run_folder import markdown, publish, scores, summary
from study import Study, study_parser
from trial import TUNED, Trial, tuned_files
from walks import own_and_rest


def lift(found: pl.DataFrame, baseline: pl.DataFrame, draws: int = 10_000) -> tuple[float, float, float]:
    """Mean AUC difference over the same seeds and periods, and its 95 % bootstrap interval over those pairs."""
    pairs = found.join(baseline, on=["seed", "period"], suffix="_base")
    difference = (pairs["auc"] - pairs["auc_base"]).drop_nulls().to_numpy()
    chosen = np.random.default_rng(0).integers(len(difference), size=(draws, len(difference)))
    low, high = np.percentile(difference[chosen].mean(1), [2.5, 97.5])
    return float(difference.mean()), float(low), float(high)


def draw(rows: list[dict[str, Any]], found: dict[str, pl.DataFrame], baseline: str, path: Path) -> None:
    """The methods from best to worst, with the interval of each one's lift, beside their AUC by period."""
    figure = Figure(figsize=(11, 2 + 0.2 * len(rows)), layout="constrained")
    ranking, course = figure.subplots(1, 2)
    for place, row in enumerate(rows):
        colour = colormaps["viridis"](0.9 * place / len(rows))
        reach = [[row["lift"] - row["low"]], [row["high"] - row["lift"]]] if "lift" in row else None
        ranking.errorbar(row["auc"], place, xerr=reach, marker="o", markersize=4, capsize=2, color=colour)
        means = found[row["method"]].group_by("period").agg(pl.col("auc").mean()).sort("period")
        course.plot(means["period"], means["auc"], marker="o", markersize=3, color=colour)
        if row["method"] == baseline:
            ranking.axvline(row["auc"], linestyle="--", color="grey", zorder=0)
    ranking.set_yticks(range(len(rows)), [row["method"] for row in rows])
    ranking.set(xlabel=f"mean AUC, with the 95 % interval of its difference from {baseline}")
    ranking.invert_yaxis()
    course.set(xlabel="period, scored before anything was trained on it", ylabel="AUC")
    for axis in (ranking, course):
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def show(rows: list[dict[str, Any]], baseline: str) -> str:
    """The Markdown table."""
    header = ["method", "setting", "AUC", "LogLoss", f"lift over {baseline}", "95 %", "steps", "seconds", "MiB"]
    lines = []
    for row in rows:
        paired = [f"{row['lift']:+.4f}", f"{row['low']:+.4f} to {row['high']:+.4f}"] if "lift" in row else ["", ""]
        scored = [f"{row['auc']:.4f}", f"{row['logloss']:.4f}", *paired]
        costs = [f"{row['steps']:.0f}", f"{row['seconds']:.2f}", f"{row['peak_mib']:.0f}"]
        lines.append([row["method"], row["setting"], *scored, *costs])
    return markdown(header, lines)


def main() -> None:
    """Walk, then print and write the comparison; status 1 if a walk failed."""
    parser = study_parser(__doc__)
    parser.add_argument("--tuned", type=Path, help=TUNED)
    parser.add_argument("--baseline", default="iu", help="the method to compare with: its file's name, or NAME_tuned")
    own, rest = own_and_rest(sys.argv[1:])
    options = parser.parse_args(own)
    trials = []
    for method in options.methods:
        trials.append(Trial(method.stem, (method,)))
        trials += [Trial(f"{method.stem}_tuned", (method, tuned)) for tuned in tuned_files(method, options.tuned)]
    if options.baseline not in [trial.name for trial in trials]:
        parser.error(f"the baseline {options.baseline!r} is not among the methods: add its file, or name another")

    study = Study(options, rest)
    walked = study.walk(trials)
    found = {trial.name: scores(folders) for trial, folders in walked.items()}
    rows = []
    for trial, folders in walked.items():
        row = {"method": trial.name, **summary(folders)}
        if options.baseline in found:
            row |= dict(zip(("lift", "low", "high"), lift(found[trial.name], found[options.baseline]), strict=True))
        rows.append(row)
    if rows:
        rows.sort(key=lambda row: row["auc"], reverse=True)
        draw(rows, found, options.baseline, options.folder / "comparison.png")
        publish(rows, show(rows, options.baseline), options.folder / "comparison")
    study.exit()


if __name__ == "__main__":
    main()
