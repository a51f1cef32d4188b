"""The benchmark measures, and finds both preprocessings equal."""

from __future__ import annotations

import json
from pathlib import Path

import benchmark
import pytest


def test_all_figures_of_the_data_path_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pandas")
    sizes = ["--rows", "3000", "--rival-rows", "400", "--loader-rows", "5000", "--repeat", "1"]
    monkeypatch.setattr("sys.argv", ["benchmark.py", "data", "--folder", str(tmp_path), *sizes])
    benchmark.main()
    figures = json.loads((tmp_path / "benchmark.json").read_text())
    assert figures["convert: rows"] == 3000
    assert figures["times faster"] > 1
    assert all(value > 0 for value in figures.values())
    assert 0 < figures["loader: share of an incremental epoch"] < 1
    assert capsys.readouterr().out == (tmp_path / "benchmark.md").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["benchmark.json", "benchmark.md"]
