"""The report's charts as data."""

from __future__ import annotations

from pathlib import Path

from experiments.runs import write_run

from asmg_pl.experiments.report.charts import charts
from asmg_pl.experiments.runs import find_runs


def test_coefficients_are_drawn_with_the_sentence_of_their_sign(tmp_path: Path) -> None:
    write_run(tmp_path / "trend", "ASMG", coefficient=True)
    found = charts({"trend": find_runs([tmp_path])}, baseline=None)[-1]["charts"]
    drawn = {chart["title"]: chart for chart in found if chart["title"].startswith("Coefficients of trend: ")}
    assert len(drawn) == 4
    for chart in drawn.values():
        assert [line["label"] for line in chart["lines"]] == ["last move", "move before", "value"]
        assert "above 0 the base model's steps are too short, below 0 they are too long" in chart["note"]
