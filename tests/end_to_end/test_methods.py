"""Every shipped method walks a stream and can be resumed; every shipped base model walks under a generator."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import yaml
from end_to_end.program import Asmg, metrics
from slowness import slow_but

CONFIGS = Path(__file__).parents[2] / "configs"
METHODS = sorted((CONFIGS / "methods").glob("*.yaml"))
RECOMMENDERS = sorted((CONFIGS / "recommenders").glob("*.yaml"))
LABELS = next(path for path in RECOMMENDERS if path.stem == "label_heads")  # for a stream with further labels
PRETRAINING = [
    *("--model.init_args.pretrain_periods", 4, "--model.init_args.pretrain_epochs", 2),
    *("--model.init_args.test_from", 8, "--model.init_args.passes", 1),
]


QUICK = [path for path in METHODS if path.stem in ("iu",)]


@pytest.mark.parametrize("method", slow_but(QUICK, METHODS), ids=lambda path: path.stem)
def test_a_method_walks_and_resumes(fit: Asmg, tmp_path: Path, method: Path) -> None:
    given = ("--config", method, *PRETRAINING, "--seed_everything", 1)
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    finished = fit(whole, *given, "--loop.until", 10)
    assert finished.code == 0, finished.err
    assert fit(parted, *given, "--loop.until", 8).code == 0
    assert fit(parted, *given, "--loop.until", 10, "--ckpt_path", "last").code == 0
    assert metrics(parted) == metrics(whole)
    table = pl.read_csv(whole / "metrics.csv")
    assert table["period"].to_list() == [5, 6, 7, 8, 9, 10]
    assert table["serving_logloss"].is_between(0.1, 2.0).all()
    if "generated_auc" in table.columns:
        assert table["incremental_auc"][-1] != table["generated_auc"][-1], "there is a generated model"
    elif "incremental_auc" in table.columns:
        assert table["incremental_auc"][-1] != table["serving_auc"][-1], "the generator serves"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "phases"),
    [
        ("gru_full", ["update", "generate", "score"]),
        ("ader", ["update", "herd", "score"]),
        ("spmf", ["update", "rank", "score"]),
        ("ewc", ["weigh", "update", "score"]),
        ("sriu", ["update", "weigh", "score"]),
        ("fesail", ["update", "score"]),
        ("sml", ["update", "transfer", "score"]),
        ("retrain", ["update", "score"]),
    ],
)
def test_a_method_with_a_past_of_its_own_goes_on_from_any_phase(
    fit: Asmg, tmp_path: Path, name: str, phases: list[str]
) -> None:
    method = next(path for path in METHODS if path.stem == name)
    given = ("--config", method, *PRETRAINING, "--checkpoint.keep", 100)
    folder = tmp_path / "run"
    assert fit(folder, *given, "--loop.until", 8).code == 0
    expected = metrics(folder)
    checkpoints = sorted((folder / "checkpoints").glob("period-000007*"), reverse=True)
    assert [path.stem.split("-")[-1] for path in checkpoints] == phases
    for checkpoint in checkpoints:  # from the newest on, since going on from one removes those after it
        assert fit(folder, *given, "--loop.until", 8, "--ckpt_path", checkpoint).code == 0, checkpoint.name
        assert metrics(folder) == expected, checkpoint.name


@pytest.mark.slow
@pytest.mark.parametrize("recommender", [each for each in RECOMMENDERS if each != LABELS], ids=lambda path: path.stem)
def test_a_generator_serves_any_base_model(fit: Asmg, tmp_path: Path, recommender: Path) -> None:
    given = ("--config", recommender, *PRETRAINING, "--model.init_args.compile_generator", False)
    finished = fit(tmp_path, *given, "--loop.until", 9)
    assert finished.code == 0, finished.err
    asked, used = (
        yaml.safe_load(path.read_text())["model"]["init_args"]["recommender"]
        for path in (recommender, tmp_path / "config.yaml")
    )
    assert used["class_path"] == asked["class_path"]
    table = pl.read_csv(tmp_path / "metrics.csv")
    assert table["serving_logloss"].is_between(0.1, 2.0).all()
    assert table["incremental_auc"][-1] != table["serving_auc"][-1]


@pytest.mark.slow
def test_a_generator_serves_a_base_model_with_heads(asmg: Asmg, tmp_path: Path) -> None:
    count = 1200
    rows = pl.DataFrame({"user": [n % 37 for n in range(count)], "item": [n * 7 % 23 for n in range(count)]})
    rows = rows.with_columns(time=pl.int_range(count), label=(pl.col("item") % 3 == 0), buy=(pl.col("item") % 5 == 0))
    rows.with_columns(pl.col("label", "buy").cast(pl.Int8)).write_csv(tmp_path / "rows.csv")
    named = ("--user", "user", "--item", "item", "--time", "time", "--label", "label", "--labels", "buy")
    made = asmg("convert", tmp_path / "rows.csv", "--out", tmp_path / "stream", *named, "--any-time")
    assert made.code == 0, made.err
    given = ("--config", CONFIGS / "asmg.yaml", "--config", LABELS, "--data.source", "Stream", *PRETRAINING)
    where = ("--data.root", tmp_path / "stream", "--trainer.default_root_dir", tmp_path / "run", "--loop.until", 9)
    finished = asmg("fit", *given, *where)
    assert finished.code == 0, finished.err
    assert pl.read_csv(tmp_path / "run" / "metrics.csv")["serving_logloss"].is_between(0.1, 2.0).all()
