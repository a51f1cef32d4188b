"""The benchmark measures, and finds both preprocessings equal."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import benchmark
import pytest
import torch
from benchmarks import peer_models, peers

TABLES = ["--users", "300", "--items", "200", "--batch-size", "32", "--history", "4", "--threads", "1", "--repeat", "1"]


def figures(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> dict[str, float]:
    """What a part of the benchmark has measured."""
    monkeypatch.setattr("sys.argv", ["benchmark.py", *arguments, "--folder", str(folder)])
    threads = torch.get_num_threads()
    benchmark.main()
    torch.set_num_threads(threads)
    found: dict[str, float] = json.loads((folder / "benchmark.json").read_text())
    assert all(map(math.isfinite, found.values()))
    return found


def test_a_step_is_measured_against_whole_tables_and_the_base_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = figures(monkeypatch, tmp_path, "step", *TABLES)
    assert 30 <= found["item rows touched"] <= 200
    assert found["times faster"] == found["whole tables, plain operations: ms"] / found["generator step: ms"]


def test_lists_are_measured_beside_the_baselines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = ["--users", "20", "--items", "150", "--cases", "30", "--repeat", "1"]
    found = figures(monkeypatch, tmp_path, "top_k", *sizes)
    assert list(found) == ["baselines alone: s", "TwoTower: s", "EmbeddingMLP: s"]


@pytest.mark.parametrize("generator", ["gru", "row"])
def test_a_step_is_taken_apart(generator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = figures(monkeypatch, tmp_path, "profile", *TABLES, "--generator", generator)
    assert len(found) == 17
    incremental = found["an incremental step: ms"]
    own = found["the same with the base model, divided by an incremental step"] * incremental
    base = found["base model on k mini-batches, forward and backward: ms"]
    assert own == pytest.approx(base + found["the same at the speed of 1024 rows: ms"])
    steps = found["steps of a coordinate of tables"]
    assert 8 * 3 * 30 < steps <= 8 * 3 * (300 + 200 + 20), "a few rows at least, and no more than all of them, thrice"


def test_a_plain_step_is_taken_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = figures(monkeypatch, tmp_path, "parts", *TABLES)
    parts = ["gathering the mini-batch", "forward", "loss", "zero_grad", "backward", "Adam"]
    assert [*found] == [f"{part}: ms" for part in (*parts, "the whole step", "of which in C++ kernels")]


def test_steps_are_measured_on_tables_of_several_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = figures(monkeypatch, tmp_path, "scaling", *TABLES, "--times", "1", "3")
    ratio = found["generator, tables × 3: ms"] / found["generator, tables × 1: ms"]
    assert found["generator, × 3 over × 1"] == pytest.approx(ratio)
    alone = found["touched rows alone, tables × 3: ms"] - found["touched rows alone, tables × 1: ms"]
    least = 1 + alone / found["incremental, rows that wait, tables × 1: ms"]
    bound = found["incremental, rows that wait, × 3 over × 1, if distance in memory alone cost"]
    assert bound == pytest.approx(least)


def test_kernels_are_measured_against_plain_operations_and_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = figures(monkeypatch, tmp_path, "kernels", *TABLES, "--rows", "150")
    speed, copied = found["plain operations, forward: GB/s"], found["copying as many bytes: GB/s"]
    assert found["plain operations, forward: share of a copy's speed"] == pytest.approx(speed / copied)


def test_making_the_serving_model_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = figures(monkeypatch, tmp_path, "generation", *TABLES, "--times", "2")
    assert found["coordinates"] == 8 * (2 * (300 + 200) + 20)
    assert found["largest difference"] < 1e-5, "both sides make the same model"


def test_periods_are_measured_with_lightning_and_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = figures(monkeypatch, tmp_path, "period", *TABLES, "--rows", "64")
    assert found["rows of a period"] == 64
    bare = found["incremental update: s"] / found["Lightning over a bare loop, incremental update"]
    assert found["step of the incremental update: ms"] == pytest.approx(1e3 * bare / 2), "a period of two steps"


def test_what_a_guard_and_a_head_add_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = figures(monkeypatch, tmp_path, "guard", *TABLES, "--rows", "64")
    with_both, without = found["row generator, guard, head: s"], found["row generator: s"]
    assert found["guard and head over none"] == pytest.approx(with_both / without)
    without_blends = found["row generator, guard without blends, head: s"]
    assert found["guard without blends and head over none"] == pytest.approx(without_blends / without)
    assert found["row generator over GRU"] == pytest.approx(without / found["GRU: s"])


def test_rivals_that_are_not_installed_are_left_out_and_the_reason_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(*_: object) -> None:
        raise ImportError("no module named recbole")

    monkeypatch.setattr(peers, "PEERS", {"recbole": missing, "plain": peer_models.PlainEmbedding})
    sizes = ["--batch-sizes", "32", "--steps", "2", "--no-loops"]
    found = figures(monkeypatch, tmp_path, "peers", *TABLES, *sizes)
    assert [name.removeprefix("batch 32 · ") for name in found] == [
        "our step of DeepFM: ms",
        "a bare loop around our own steps, divided by ours",
        "plain, divided by ours",
    ]
    assert "recbole is left out: no module named recbole" in capsys.readouterr().out


@pytest.mark.slow
def test_peak_memory_is_measured_in_processes_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = ["--users", "100000", "--items", "100000", "--rows", "64"]
    found = figures(monkeypatch, tmp_path, "memory", *TABLES, *sizes)
    assert found["base model: MiB"] == pytest.approx(200_000 * 8 * 4 / 2**20, rel=0.01)
    assert found["ASMG over incremental, in base models"] > 4


def test_all_figures_of_the_data_path_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pandas")
    sizes = ["--rows", "3000", "--rival-rows", "400", "--loader-rows", "5000", "--repeat", "1"]
    monkeypatch.setattr("sys.argv", ["benchmark.py", "data", "--folder", str(tmp_path), *sizes])
    benchmark.main()
    figures = json.loads((tmp_path / "benchmark.json").read_text())
    assert figures["convert: rows"] == 3000
    assert all(map(math.isfinite, figures.values()))
    assert {"times faster", "loader: share of an incremental epoch"} <= figures.keys()
    assert capsys.readouterr().out == (tmp_path / "benchmark.md").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["benchmark.json", "benchmark.md"]


def test_rows_of_the_form_of_criteo_are_converted_and_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = figures(monkeypatch, tmp_path, "features", "--rows", "3000", "--repeat", "1")
    assert found["convert: rows"] == 3000
    rows = [found[f"DeepFM, {form}: rows per processor second"] for form in ("features", "plain")]
    assert found["DeepFM, features over plain"] == pytest.approx(rows[0] / rows[1])
    bound = found["DeepFM, bare: rows per processor second"] / rows[1]
    assert found["DeepFM, bare loop of the features over plain"] == pytest.approx(bound)


@pytest.mark.slow
def test_what_sharded_tables_send_is_measured_and_does_not_grow_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = ["--active", "50", "--batch", "32", "--history", "4", "--steps", "2", "--rows", "2000", "8000"]
    found = figures(monkeypatch, tmp_path, "scale", "--ranks", "2", *sizes)
    for step in ("update", "generate"):
        small, large = (f"2 ranks, {rows} rows, {step}, bytes sent per step" for rows in ("2,000", "8,000"))
        assert found[large] == pytest.approx(found[small], rel=0.2)
        assert found[large] == pytest.approx(found[f"{large}, predicted"], rel=0.2)
    held = "2 ranks, 8,000 rows, bytes held"
    assert found[held] == pytest.approx(found[f"{held}, predicted"], rel=0.1)


@pytest.mark.slow
def test_the_scorer_is_measured_against_rivals_that_answer_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = ["--items", "300", "--catalogue", "200", "--users", "50", "--categories", "3", "--candidates", "20"]
    found = figures(monkeypatch, tmp_path, "serve", *sizes, "--requests", "3", "--repeat", "1")
    differences = [value for name, value in found.items() if name.endswith("largest difference")]
    assert len(differences) == 6
    assert max(differences) < 1e-5
    ratio = found["import of the scorer: s"] / found["import of torch: s"]
    assert found["import of the scorer over that of torch"] == pytest.approx(ratio)
    assert {"load of 300 items: ms", "TwoTower, 20 candidates, plain forward over the scorer"} <= found.keys()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")
def test_spark_is_measured_against_polars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark")
    found = figures(monkeypatch, tmp_path, "spark", "--rows", "3000", "--files", "2", "--memory", "768m")
    ratio = found["polars, 3,000 rows: rows/s"] / found["spark, 3,000 rows: rows/s"]
    assert found["spark over polars, 3,000 rows: seconds"] == pytest.approx(ratio)
