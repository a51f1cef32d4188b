"""What a walk leaves for Weights & Biases, read from the files that ``wandb sync`` would upload."""

from __future__ import annotations

import io
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
import yaml
from end_to_end.program import command, environment, last_checkpoint, metrics
from end_to_end.wandb_file import Recorded, read
from experiments.wandb_server import Served, serving

from asmg_pl import __version__
from asmg_pl.callbacks.configuration import settings_in
from asmg_pl.callbacks.provenance import commit
from asmg_pl.checkpoints.io import read_checkpoint
from asmg_pl.experiments.runs import read_run
from asmg_pl.experiments.summary import cost
from asmg_pl.experiments.summary import scores as scores_of
from asmg_pl.experiments.wandb_source import wandb_runs

NAMES = ("--wandb.experiment", "drama", "--wandb.method", "residual", "--wandb.tags", "[small, new]")


@dataclass
class Walk:
    """A run folder, and what each process that walked in it has recorded."""

    folder: Path
    recorded: list[Recorded]


def walked(stream: Path, folder: Path, *parts: tuple[object, ...]) -> Walk:
    places = {name: str(folder.parent / "wandb-files") for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR")}
    given = ("--config", stream / "config.yaml", "--data.root", stream, "--trainer.default_root_dir", folder)
    found: list[Path] = []
    recorded = []
    for part in parts:
        done = subprocess.run(
            command("fit", *given, "--wandb.project", "fresh", *part),
            capture_output=True,
            text=True,
            check=False,
            env=environment() | places | {"WANDB_SILENT": "true"},
        )
        assert done.returncode == 0, done.stderr
        (new,) = (place for place in (folder / "wandb").glob("offline-run-*") if place not in found)
        found.append(new)
        recorded.append(read(new))
    return Walk(folder, recorded)


@pytest.fixture(scope="module")
def whole(stream: Path, tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """A walk without a break, with all artifacts, and a CSV logger beside."""
    folder = tmp_path_factory.mktemp("wandb") / "whole"
    csv = ("--trainer.logger", "CSVLogger", "--trainer.logger.save_dir", folder / "csv")
    return walked(stream, folder, (*NAMES, "--wandb.artifacts", "all", *csv))


@pytest.fixture(scope="module")
def parted(stream: Path, tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """The same walk in two parts."""
    folder = tmp_path_factory.mktemp("wandb") / "parted"
    return walked(stream, folder, ("--loop.until", 11), ("--ckpt_path", "last"))


def scores(folder: Path) -> pl.DataFrame:
    return pl.read_csv(folder / "metrics.csv")


def same(found: Any, expected: Any) -> bool:
    return str(found) == str(expected)  # by their text, NaN is NaN


def test_each_period_has_a_row_with_the_scores_of_both_models(whole: Walk) -> None:
    rows, table = whole.recorded[0].rows, scores(whole.folder)
    assert [row["period"] for row in rows] == table["period"].to_list() == list(range(5, 14))
    names = [name for name in table.columns if name.startswith(("incremental_", "serving_"))]
    assert len(names) == 26
    for row, expected in zip(rows, table.iter_rows(named=True), strict=True):
        assert all(same(float(row[name.replace("_", "/", 1)]), expected[name]) for name in names)
        assert (row["split"], row["data/rows"]) == (expected["split"], 200)
        assert row["data/new_user_rows"] == expected["new_user_rows"]


def test_a_row_has_the_cost_of_the_period_without_its_scoring(whole: Walk) -> None:
    timings = pl.read_csv(whole.folder / "timings.csv").filter(pl.col("phase") != "score")
    for row in whole.recorded[0].rows:
        spent = timings.filter(period=row["period"])
        assert row["cost/steps"] == spent["steps"].sum() > 0
        assert row["cost/seconds"] == pytest.approx(spent["seconds"].sum())


def test_the_period_is_the_x_axis_of_every_section(whole: Walk) -> None:
    defined = whole.recorded[0].metrics
    assert defined["period"].options.defined
    for section in ("serving/*", "incremental/*", "data/*", "cost/*"):
        assert defined[section].step_metric == "period"
        assert defined[section].summary.none, "the summary is the mean over the test periods, not the last value"


def test_the_summary_is_the_mean_over_the_test_periods(whole: Walk) -> None:
    tested, summary = scores(whole.folder).filter(split="test"), whole.recorded[0].summary
    assert tested["period"].to_list() == [10, 11, 12, 13]
    for name in ("serving_auc", "incremental_auc", "serving_logloss", "incremental_gauc"):
        assert summary[name.replace("_", "/", 1)] == pytest.approx(tested[name].to_numpy().mean())
    before = scores(whole.folder).filter(split="warm-up")["serving_auc"].to_numpy()
    assert summary["warm-up/serving/auc"] == pytest.approx(before.mean())
    timings = pl.read_csv(whole.folder / "timings.csv").filter(pl.col("phase") != "score", pl.col("period") > 9)
    assert summary["cost/steps"] == timings["steps"].to_numpy().sum() / 4


def test_the_configuration_is_the_resolved_one_with_the_stream_and_the_version(whole: Walk) -> None:
    config = whole.recorded[0].config
    written = yaml.safe_load((whole.folder / "config.yaml").read_text())
    assert written.items() <= config.items()
    assert config["model"]["init_args"]["pretrain_learning_rate"] is None, "defaults are there too"
    walk = read_checkpoint(last_checkpoint(whole.folder))["PeriodDataModule"]
    assert config["stream"]["fingerprint"] == walk["fingerprint"]
    assert (config["stream"]["rows"], config["stream"]["periods"]) == (2600, 13)
    assert config["code"]["version"] == __version__
    assert (config["code"]["commit"] or "")[:40] == (commit() or "")[:40]


def test_the_run_is_grouped_by_experiment_and_its_job_is_the_method(whole: Walk) -> None:
    run = whole.recorded[0].run
    assert (run.project, run.run_group, run.job_type) == ("fresh", "drama", "residual")
    assert run.display_name == "residual-seed-1234"
    assert list(run.tags) == ["small", "new"]
    assert whole.recorded[0].exit_code == 0


def test_the_period_table_is_that_of_metrics_csv_and_the_plot_is_there(whole: Walk) -> None:
    (last,) = (row for row in whole.recorded[0].history if "period" not in row)
    (folder,) = (whole.folder / "wandb").glob("offline-run-*")
    table = json.loads((folder / "files" / last["periods/path"]).read_text())
    expected = scores(whole.folder)
    assert table["columns"] == expected.columns
    assert [row[0:6] for row in table["data"]] == [list(row[0:6]) for row in expected.iter_rows()]
    serving = table["columns"].index("serving_auc")
    assert [row[serving] for row in table["data"]] == expected["serving_auc"].to_list()
    assert (folder / "files" / last["plot/path"]).read_bytes() == (whole.folder / "auc.png").read_bytes()


def test_the_newest_checkpoint_and_the_serving_model_are_artifacts(whole: Walk) -> None:
    run, artifacts = whole.recorded[0].run, whole.recorded[0].artifacts
    files = {
        name: {entry.path: Path(entry.local_path).read_bytes() for entry in artifact.manifest.contents}
        for name, artifact in artifacts.items()
        if artifact.type in ("model", "checkpoint")
    }
    newest = last_checkpoint(whole.folder)
    assert files[f"checkpoint-{run.run_id}"] == {newest.name: newest.read_bytes()}
    weights = torch.load(io.BytesIO(files[f"serving-{run.run_id}"]["serving.pt"]), weights_only=True)
    saved = read_checkpoint(newest)["state_dict"]
    assert weights
    assert all(torch.equal(value, saved[f"generated.{name}"]) for name, value in weights.items())


@pytest.mark.slow
def test_artifacts_are_only_added_if_asked_for(parted: Walk) -> None:
    assert {artifact.type for artifact in parted.recorded[1].artifacts.values()} == {"run_table"}


@pytest.mark.slow
def test_a_resumed_walk_goes_on_with_its_run(whole: Walk, parted: Walk) -> None:
    first, second = parted.recorded
    assert first.run.run_id == second.run.run_id != whole.recorded[0].run.run_id
    assert read_checkpoint(last_checkpoint(parted.folder))["callbacks"]["WandbRun"] == {"id": first.run.run_id}
    assert (second.run.run_group, second.run.job_type) == ("MovieLens", "ASMG"), "the defaults"


@pytest.mark.slow
def test_the_last_part_of_a_resumed_walk_is_the_whole_run(whole: Walk, parted: Walk) -> None:
    assert metrics(parted.folder) == metrics(whole.folder), "logging changes no number"

    def timeless(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        varying = ("cost/seconds", "cost/peak_mib")
        return [{name: value for name, value in row.items() if name not in varying} for row in rows]

    first, second = parted.recorded
    assert [row["period"] for row in first.rows] == list(range(5, 12))
    assert same(second.rows[:7], first.rows), "what is said twice is said alike, times included"
    assert same(timeless(second.rows), timeless(whole.recorded[0].rows))
    assert second.summary["serving/auc"] == whole.recorded[0].summary["serving/auc"]


def test_read_back_through_the_api_the_run_is_the_one_in_the_folder(
    whole: Walk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recorded = whole.recorded[0]
    served = Served(recorded.run.run_id, "drama", "residual", recorded.config, recorded.history)
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path))
    with serving([served]) as environment_of_client:
        for name, value in environment_of_client.items():
            monkeypatch.setenv(name, value)
        (found,) = wandb_runs("me/fresh", "drama")
    local = read_run(whole.folder, method="residual")
    assert (found.method, found.seed) == (local.method, local.seed) == ("residual", 1234)
    assert same(settings_in(found.config), settings_in(local.config))
    expected = scores_of([local])
    assert scores_of([found]).select(expected.columns).equals(expected)
    tested = expected["period"]
    assert cost(found, tested) == pytest.approx(cost(local, tested))


def test_other_loggers_get_the_same_rows_and_the_same_configuration(whole: Walk) -> None:
    (folder,) = (whole.folder / "csv").rglob("metrics.csv")
    table = pl.read_csv(folder)
    assert table["step"].to_list() == table["period"].to_list() == list(range(5, 14))
    for row, logged in zip(table.iter_rows(named=True), whole.recorded[0].rows, strict=True):
        names = [name for name in row if "/" in name]
        assert len(names) == 30
        assert {name: float(row[name]) for name in names} == pytest.approx(
            {name: float(logged[name]) for name in names}, nan_ok=True
        )
    config = yaml.safe_load((folder.parent / "hparams.yaml").read_text())
    assert config["stream"] == whole.recorded[0].config["stream"]
    assert config["model"] == whole.recorded[0].config["model"]


def test_without_a_project_nothing_is_written(walk: tuple[Path, Any]) -> None:
    assert not (walk[0] / "wandb").exists()
    assert "WANDB_MODE" not in os.environ
