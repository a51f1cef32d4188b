"""Walk one configuration with several seeds and average what the walks scored.

    python tools/run_seeds.py runs/mt --seeds 1234 1235 1236 -- --config configs/movietweetings.yaml --data.root FOLDER

Everything after ``--`` goes to ``asmg fit``. Finished seeds are not run again, interrupted ones go on. The last line
averages the test periods over the seeds; with ``--split warm-up`` the warm-up periods, on which settings are chosen.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import polars as pl
from walks import own_and_rest, walk


def means(metrics: pl.DataFrame, split: str) -> pl.DataFrame:
    """One row: the mean of each score over the periods of a split."""
    return metrics.filter(pl.col("split") == split).select(pl.col("^.*_(auc|logloss)$").mean())


def main() -> None:
    """Run the seeds one after the other and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the run folders go, one per seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1234, 1235, 1236])
    parser.add_argument("--split", choices=["test", "warm-up"], default="test")
    own, rest = own_and_rest(sys.argv[1:])
    options = parser.parse_args(own)
    rows = []
    for seed in options.seeds:
        folder = options.folder / f"seed-{seed}"
        if failure := walk(folder, seed, rest):
            sys.exit(failure)
        rows.append(means(pl.read_csv(folder / "metrics.csv"), options.split))
    table = pl.concat(rows).insert_column(0, pl.Series("seed", [str(seed) for seed in options.seeds]))
    average = table.select(pl.lit("mean").alias("seed"), pl.exclude("seed").mean())
    print("| " + " | ".join(name.replace("_", " ") for name in table.columns) + " |")
    print("|" + "---|" * table.width)
    for row in pl.concat([table, average]).iter_rows():
        print("| " + " | ".join(v if isinstance(v, str) else f"{v:.4f}" for v in row) + " |")


if __name__ == "__main__":
    main()
