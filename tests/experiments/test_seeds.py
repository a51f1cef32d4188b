"""``asmg seeds`` averages walks over seeds."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from end_to_end.program import Finished
from experiments.conftest import Command, table

WALK = ["--config", "config.yaml", "--data.root", ".", "--loop.until", "11"]


@pytest.mark.slow
@pytest.mark.usefixtures("within")
def test_the_table_has_a_row_per_seed_and_their_mean_and_nothing_is_walked_twice(folder: Path, asmg: Command) -> None:
    def called(split: str, *seeds: str) -> Finished:
        done = asmg("seeds", "runs", "--seeds", *seeds, "--split", split, "--", *WALK)
        assert done.code == 0, done.err
        return done

    done = called("test", "3", "4")
    rows = table(folder / "runs" / "seeds.md")
    assert list(rows[0]) == ["seed", "incremental auc", "incremental logloss", "serving auc", "serving logloss"]
    tables = [pl.read_csv(folder / "runs" / f"seed-{seed}" / "metrics.csv") for seed in (3, 4)]
    means = [t.filter(split="test").select(pl.col("^.*_(auc|logloss)$").mean()).row(0) for t in tables]
    expected = [*means, tuple(sum(pair) / 2 for pair in zip(*means, strict=True))]
    assert [list(row.values()) for row in rows] == [
        [n, *(f"{v:.4f}" for v in row)] for n, row in zip(["3", "4", "mean"], expected, strict=True)
    ]
    assert means[0] != means[1]
    assert max(map(len, done.out.splitlines())) <= 80
    assert done.out.splitlines()[-1].split() == ["mean", *(f"{v:.4f}" for v in expected[-1])]

    written = {path: path.stat().st_mtime_ns for path in folder.rglob("*.ckpt")}
    called("warm-up", "4")
    again, mean = (list(row.values()) for row in table(folder / "runs" / "seeds.md"))
    assert again[1:] == mean[1:] != list(rows[1].values())[1:]
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.ckpt")} == written


@pytest.mark.usefixtures("within")
def test_walks_that_fail_are_named_with_the_reason(folder: Path, asmg: Command) -> None:
    done = asmg("seeds", "runs", "--seeds", "3", "4", "--", *WALK, "--data.batch_size", "0")
    assert (done.code, done.out) == (1, "")
    assert "data.batch_size must be at least 1" in done.err
    assert "2 walks failed: runs/seed-3, runs/seed-4; log.txt" in done.err


def test_a_file_in_the_place_of_a_run_folder_is_one_message(folder: Path, asmg: Command) -> None:
    (folder / "runs").mkdir()
    (folder / "runs" / "seed-3").write_text("in the way")
    done = asmg("seeds", "runs", "--seeds", "3", "--", *WALK)
    assert (done.code, done.out) == (2, "")
    assert "runs/seed-3" in done.err
