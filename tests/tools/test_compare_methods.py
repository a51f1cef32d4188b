"""The tool that compares methods: table, intervals, a failed walk, and nothing walked twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from end_to_end.program import CONFIG, environment, movies, ratings

ROOT = Path(__file__).parents[2]
OWN = "pretrain_periods: 4\n    pretrain_epochs: 1\n    test_from: 8\n"


def compare(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "compare_methods.py"), "runs", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment())


def method(path: Path, name: str, more: str = "") -> str:
    text = f"model:\n  class_path: asmg_pl.updaters.{name}\n  init_args:\n    {OWN}"
    path.write_text(text + (f"    {more}\n" if more else ""))
    return str(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ratings().write_csv(tmp_path / "ratings.csv")
    movies().write_csv(tmp_path / "movies.csv")
    (tmp_path / "config.yaml").write_text(CONFIG)
    return tmp_path


def test_methods_are_compared_pair_by_pair_and_a_failed_one_is_reported(folder: Path) -> None:
    files = [
        method(folder / "iu.yaml", "IncrementalUpdate"),
        method(folder / "bu2.yaml", "BatchUpdate", "window: 2"),
        method(folder / "wrong.yaml", "BatchUpdate", "window: 0"),
    ]
    walk = ["--config", "config.yaml", "--data.root", ".", "--loop.until", "9"]
    done = compare(folder, "--methods", *files, "--seeds", "3", "--", *walk)
    assert done.returncode == 1
    assert "wrong" in done.stderr
    assert "model.window must be at least 1" in done.stderr
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()]
    assert header == ["method", "AUC", "LogLoss", "lift over iu", "95 %", "steps", "seconds", "MiB"]
    by_method = {row[0]: row for row in rows}
    assert by_method.keys() == {"iu", "bu2"}

    scores = {
        name: pl.read_csv(folder / "runs" / name / "seed-3" / "metrics.csv")
        .filter(split="test")["serving_auc"]
        .to_numpy()
        for name in by_method
    }
    assert by_method["bu2"][1] == f"{scores['bu2'].mean():.4f}"
    differences = scores["bu2"] - scores["iu"]
    assert by_method["bu2"][3] == f"{differences.mean():+.4f}"
    assert by_method["bu2"][4] == f"{differences.min():+.4f} to {differences.max():+.4f}"  # two pairs
    assert by_method["iu"][3:5] == ["+0.0000", "+0.0000 to +0.0000"]
    assert (by_method["iu"][5], by_method["bu2"][5]) == ("4", "7")  # 200 and 400 rows in mini-batches of 64
    assert 100 < float(by_method["iu"][7]) < 4000
    assert pl.read_csv(folder / "runs" / "comparison.csv")["method"].to_list() == [row[0] for row in rows]
    assert (folder / "runs" / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_the_baseline_must_be_among_the_methods(folder: Path) -> None:
    done = compare(folder, "--methods", method(folder / "bu2.yaml", "BatchUpdate"), "--baseline", "iu")
    assert done.returncode == 2
    assert "'iu' is not among the methods" in done.stderr
