"""What self-tuning has chosen stands in the report, and in the setting of a run."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from experiments.runs import write_run

from asmg_pl.experiments.report.charts import charts
from asmg_pl.experiments.runs import read_run
from asmg_pl.experiments.summary import setting


def test_the_report_draws_the_leaders_rate_and_the_cost_of_the_race(tmp_path: Path) -> None:
    write_run(tmp_path / "iu", seed=1)
    turns = {"period": [12, 12, 13], "turn": [0, 1, 0], "learning_rate": [1e-3, 3e-3, 3e-3], "batch_size": [64] * 3}
    rest = {"passes": [1] * 3, "behind": [0.0, None, 0.0], "mini_batches": [10, 30, 20]}
    pl.DataFrame(turns | rest).write_csv(tmp_path / "iu" / "schedule.csv")
    sections = {section["title"]: section["charts"] for section in charts({"iu": [read_run(tmp_path / "iu")]}, None)}
    rate, cost = sections["Self-tuning"]
    assert rate["lines"][0]["mean"] == [1e-3, 3e-3]
    assert cost["lines"][0]["mean"] == [4.0, 1.0]


def test_a_report_of_runs_without_self_tuning_has_no_such_section(tmp_path: Path) -> None:
    write_run(tmp_path / "iu", seed=1)
    assert "Self-tuning" not in {section["title"] for section in charts({"iu": [read_run(tmp_path / "iu")]}, None)}


def test_the_setting_of_a_run_says_whether_others_race(tmp_path: Path) -> None:
    tuning = {"class_path": "asmg_pl.updaters.SelfTuning"}
    write_run(tmp_path / "raced", seed=1, learning_rate=None, passes=None, self_tuning=tuning)
    write_run(tmp_path / "plain", seed=1, learning_rate=None, passes=None)
    assert setting(read_run(tmp_path / "raced")).endswith("self-tuned")
    assert setting(read_run(tmp_path / "plain")).endswith("lr 0.001, passes 1")
