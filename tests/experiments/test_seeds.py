"""The tool that averages walks over seeds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
from end_to_end.program import CONFIG, environment, movies, ratings

TOOL = Path(__file__).parents[2] / "tools" / "run_seeds.py"


def test_the_table_has_a_row_per_seed_and_their_mean_and_nothing_is_walked_twice(tmp_path: Path) -> None:
    ratings().write_csv(tmp_path / "ratings.csv")
    movies().write_csv(tmp_path / "movies.csv")
    (tmp_path / "config.yaml").write_text(CONFIG)
    walk = ["--config", "config.yaml", "--data.root", ".", "--loop.until", "11"]

    def table(split: str, *seeds: str) -> list[list[str]]:
        command = [sys.executable, str(TOOL), "runs", "--seeds", *seeds, "--split", split, "--", *walk]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment())
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()]

    header, _, *rows = table("test", "3", "4")
    assert header == ["seed", "incremental auc", "incremental logloss", "serving auc", "serving logloss"]
    tables = [pl.read_csv(tmp_path / "runs" / f"seed-{seed}" / "metrics.csv") for seed in (3, 4)]
    means = [t.filter(split="test").select(pl.col("^.*_(auc|logloss)$").mean()).row(0) for t in tables]
    expected = [*means, tuple(sum(pair) / 2 for pair in zip(*means, strict=True))]
    assert rows == [[n, *(f"{v:.4f}" for v in row)] for n, row in zip(["3", "4", "mean"], expected, strict=True)]
    assert means[0] != means[1]

    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.ckpt")}
    *_, again, mean = table("warm-up", "4")
    assert again[1:] == mean[1:] != rows[1][1:]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.ckpt")} == written
