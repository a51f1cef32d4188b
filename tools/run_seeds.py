"""Walk one configuration with several seeds and average what the walks scored.

    python tools/run_seeds.py runs/mt --seeds 1234 1235 1236 -- --config configs/movietweetings.yaml --data.root FOLDER

Everything after ``--`` goes to ``asmg fit``. Finished seeds are not run again, interrupted ones go on. The last line
averages the test periods over the seeds; with ``--split warm-up`` the warm-up periods, on which settings are chosen.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import polars as pl


def walk(folder: Path, seed: int, arguments: list[str]) -> pl.DataFrame:
    """Run or resume one seed's walk in its own folder and read its ``metrics.csv``."""
    command = [sys.executable, "-m", "asmg_pl", "fit", *arguments, "--seed_everything", str(seed)]
    command += ["--trainer.default_root_dir", str(folder), "--ckpt_path", "last"]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.txt").open("w+") as log:
        code = subprocess.run(command, check=False, stdout=log, stderr=subprocess.STDOUT).returncode
        if code:
            log.seek(0)
            end = log.read()[-1000:]
            sys.exit(f"the walk with seed {seed} ended with status {code}; the end of {log.name}:\n{end}")
    return pl.read_csv(folder / "metrics.csv")


def means(metrics: pl.DataFrame, split: str) -> pl.DataFrame:
    """One row: the mean of each score over the periods of a split."""
    return metrics.filter(pl.col("split") == split).select(pl.col("^.*_(auc|logloss)$").mean())


def main() -> None:
    """Run the seeds one after the other and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the run folders go, one per seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1234, 1235, 1236])
    parser.add_argument("--split", choices=["test", "warm-up"], default="test")
    own, rest = sys.argv[1:], []
    if "--" in own:
        own, rest = own[: own.index("--")], own[own.index("--") + 1 :]
    options = parser.parse_args(own)
    rows = [means(walk(options.folder / f"seed-{seed}", seed, rest), options.split) for seed in options.seeds]
    table = pl.concat(rows).insert_column(0, pl.Series("seed", [str(seed) for seed in options.seeds]))
    average = table.select(pl.lit("mean").alias("seed"), pl.exclude("seed").mean())
    print("| " + " | ".join(name.replace("_", " ") for name in table.columns) + " |")
    print("|" + "---|" * table.width)
    for row in pl.concat([table, average]).iter_rows():
        print("| " + " | ".join(v if isinstance(v, str) else f"{v:.4f}" for v in row) + " |")


if __name__ == "__main__":
    main()
