"""The tool that sweeps an option."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from tools.conftest import Tool, table


def test_each_value_has_a_row_and_the_baseline_one(folder: Path, tool: Tool) -> None:
    vary = ["--vary", "model.init_args.window", "3", "1"]
    done = tool("sweep_option", *vary, "--methods", "bu2.yaml", "--baseline", "iu.yaml", "--seeds", "3")
    assert done.code == 0, done.err
    rows = table(done)
    assert [(row["method"], row["model.init_args.window"]) for row in rows] == [("bu2", "3"), ("bu2", "1"), ("iu", "")]
    assert [row["steps"] for row in rows] == ["10", "4", "4"]  # 600 or 200 rows in mini-batches of 64
    assert rows[1]["AUC"] == rows[2]["AUC"] != rows[0]["AUC"]  # a batch update over one period is the incremental one
    found = pl.read_csv(folder / "runs" / "bu2" / "window=3" / "seed-3" / "metrics.csv").filter(split="test")
    assert rows[0]["AUC"] == f"{found['serving_auc'].to_numpy().mean():.4f}"
    assert pl.read_csv(folder / "runs" / "sweep.csv")["value"].to_list() == [3, 1, None]
    assert (folder / "runs" / "sweep.md").read_text() == done.out
    assert (folder / "runs" / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_an_option_without_values_is_refused(tool: Tool) -> None:
    done = tool("sweep_option", "--methods", "iu.yaml", "--vary", "data.batch_size")
    assert done.code == 2
    assert "data.batch_size names no value" in done.err
