"""What a guard has chosen, as the report of runs shows it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from experiments.conftest import called
from experiments.runs import write_run

from asmg_pl.experiments.report.charts import charts
from asmg_pl.experiments.runs import Run, find_runs


def guarded(folder: Path, seed: int) -> Path:
    """A run in which the generated model has served from period 20 on, and its regret has grown."""
    write_run(folder, "ASMG", 0.01, seed=seed)
    table = pl.read_csv(folder / "metrics.csv")
    late = pl.col("period") >= 20 + seed
    table = table.with_columns(
        served=pl.when(late).then(pl.lit("generated")).otherwise(pl.lit("incremental")),
        why=pl.lit("better than incremental: LogLoss lower by 0.00123 ± 0.00045 over 9 periods"),
        regret=pl.col("period") / 1e5,
    )
    first = ["period", "split", "rows", "positives", "new_user_rows", "new_item_rows", "served", "why", "regret"]
    table.select(first + [name for name in table.columns if name not in first]).write_csv(folder / "metrics.csv")
    return folder


def by_method(folder: Path) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in find_runs([folder]):
        found.setdefault(run.method, []).append(run)
    return found


def test_the_report_shows_which_candidate_served_when_and_its_regret(tmp_path: Path) -> None:
    for seed in (0, 1):
        guarded(tmp_path / "asmg" / f"seed-{seed}", seed)
        write_run(tmp_path / "iu" / f"seed-{seed}", seed=seed)
    section = next(each for each in charts(by_method(tmp_path), None) if each["title"] == "What served")
    candidates, regret = section["charts"]
    shares = {
        line["label"].rpartition(": ")[2]: dict(zip(line["period"], line["mean"], strict=True))
        for line in candidates["lines"]
    }
    assert [shares["generated"][period] for period in (19, 20, 21)] == [0.0, 0.5, 1.0]
    assert shares["incremental"][20] == 0.5
    (line,) = regret["lines"]
    assert line["mean"][0] == 11 / 1e5
    assert called(["report", str(tmp_path), "--out", str(tmp_path / "report.html")]).code == 0


def test_without_a_guard_there_is_no_such_section(tmp_path: Path) -> None:
    write_run(tmp_path / "iu" / "seed-1", seed=1)
    assert "What served" not in [section["title"] for section in charts(by_method(tmp_path), None)]
