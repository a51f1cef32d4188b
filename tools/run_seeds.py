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
from messages import one_message, say
from run_folder import read_run, untested
from tables import Shown, markdown
from walks import own_and_rest, walk


def means(metrics: pl.DataFrame, split: str) -> pl.DataFrame:
    """One row: the mean of each score over the periods of a split; NaN of a model that has diverged in one of them."""
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
        with one_message():
            run = read_run(folder, seed=seed)
        rows.append(means(run.metrics, options.split))
        if options.split == "test" and (why := untested([run])):
            say(f"seed {seed}: {why}")
    table = pl.concat(rows).insert_column(0, pl.Series("seed", [str(seed) for seed in options.seeds]))
    average = table.select(pl.lit("mean").alias("seed"), pl.exclude("seed").mean())
    lines = [
        [v if isinstance(v, str) else "" if v is None else f"{v:.4f}" for v in row]
        for row in pl.concat([table, average]).iter_rows()
    ]
    print(markdown(Shown([name.replace("_", " ") for name in table.columns], lines)))


if __name__ == "__main__":
    main()
