"""Walk one stream with several methods and compare them: same rows, same seeds, same pre-trained model.

    python tools/compare_methods.py runs/all --methods configs/methods/*.yaml -- --config DATA.yaml --data.root FOLDER

Everything after ``--`` goes to ``asmg fit``, before the method's file. A method's first weights and pre-training depend
on the seed and the base model's settings alone, so all methods that leave those as they are start from one model.
Finished walks are not run again, interrupted ones go on, failed ones are reported and the rest kept. Prints a Markdown
table; writes it as ``comparison.csv`` and a plot, ``comparison.png``, into the folder.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from walks import PEAK, own_and_rest, walk


def test_scores(folder: Path, seed: int) -> pl.DataFrame:
    """What a walk's serving model scored on the test periods."""
    metrics = pl.read_csv(folder / "metrics.csv").filter(split="test")
    return metrics.select(pl.lit(seed).alias("seed"), "period", auc="serving_auc", logloss="serving_logloss")


def cost(folder: Path, periods: pl.Series) -> dict[str, float]:
    """Optimiser steps and seconds per test period, scoring left out, and peak memory in MiB."""
    timings = pl.read_csv(folder / "timings.csv")
    timings = timings.filter(pl.col("period").is_in(periods.implode()), pl.col("phase") != "score")
    steps = timings.filter(pl.col("phase").is_in(["update", "generate"]))["mini_batches"].to_numpy().sum()
    return {
        "steps": float(steps) / len(periods),
        "seconds": float(timings["seconds"].to_numpy().sum()) / len(periods),
        "peak_mib": float((folder / PEAK).read_text()),
    }


def lift(scores: pl.DataFrame, baseline: pl.DataFrame, draws: int = 10_000) -> tuple[float, float, float]:
    """Mean AUC difference over the same seeds and periods, and its 95 % bootstrap interval over those pairs."""
    pairs = scores.join(baseline, on=["seed", "period"], suffix="_base")
    difference = (pairs["auc"] - pairs["auc_base"]).to_numpy()
    chosen = np.random.default_rng(0).integers(len(difference), size=(draws, len(difference)))
    low, high = np.percentile(difference[chosen].mean(1), [2.5, 97.5])
    return float(difference.mean()), float(low), float(high)


def draw(scores: dict[str, pl.DataFrame], path: Path) -> None:
    """AUC by test period, mean over the seeds, method by method."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    axis = figure.subplots()
    for method, rows in scores.items():
        means = rows.group_by("period").agg(pl.col("auc").mean()).sort("period")
        axis.plot(means["period"], means["auc"], marker="o", markersize=3.5, label=method)
    axis.set(xlabel="period, scored before anything was trained on it", ylabel="AUC")
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Walk, then print and write the comparison; status 1 if a walk failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the run folders and the comparison go")
    parser.add_argument("--methods", type=Path, nargs="+", required=True, help="configuration files, one per method")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1234, 1235, 1236])
    parser.add_argument("--baseline", default="iu", help="name of the method's file to compare with, without .yaml")
    own, rest = own_and_rest(sys.argv[1:])
    options = parser.parse_args(own)
    if options.baseline not in [method.stem for method in options.methods]:
        parser.error(f"the baseline {options.baseline!r} is not among the methods: add its file, or name another")

    scores: dict[str, pl.DataFrame] = {}
    costs: dict[str, pl.DataFrame] = {}
    failures = []
    for method in options.methods:
        folders = {seed: options.folder / method.stem / f"seed-{seed}" for seed in options.seeds}
        ended = [walk(folder, seed, [*rest, "--config", str(method)]) for seed, folder in folders.items()]
        if failed := [failure for failure in ended if failure]:
            failures += failed
            continue
        scores[method.stem] = pl.concat([test_scores(folder, seed) for seed, folder in folders.items()])
        periods = scores[method.stem]["period"].unique()
        costs[method.stem] = pl.DataFrame([cost(folder, periods) for folder in folders.values()])

    rows = []
    for method, found in scores.items():
        row: dict[str, Any] = {"method": method}
        row |= {name: float(found[name].to_numpy().mean()) for name in ("auc", "logloss")}
        if options.baseline in scores:
            row |= dict(zip(("lift", "low", "high"), lift(found, scores[options.baseline]), strict=True))
        rows.append(row | costs[method].mean().row(0, named=True))
    if rows:
        table = pl.DataFrame(rows).sort("auc", descending=True)
        table.write_csv(options.folder / "comparison.csv")
        draw(scores, options.folder / "comparison.png")
        print("| method | AUC | LogLoss | lift over " + options.baseline + " | 95 % | steps | seconds | MiB |")
        print("|---|---|---|---|---|---|---|---|")
        for row in table.iter_rows(named=True):
            paired = f"{row['lift']:+.4f} | {row['low']:+.4f} to {row['high']:+.4f}" if "lift" in row else " | "
            cells = f"{row['method']} | {row['auc']:.4f} | {row['logloss']:.4f} | {paired}"
            print(f"| {cells} | {row['steps']:.0f} | {row['seconds']:.2f} | {row['peak_mib']:.0f} |")
    for failure in failures:
        print(failure, file=sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
