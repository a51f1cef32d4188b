"""Walks along days, of which some have no row, one row, or rows of one class."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from end_to_end.program import Asmg, metrics, movies, ratings
from end_to_end.test_methods import METHODS, PRETRAINING
from slowness import slow_but

from asmg_pl.checkpoints.io import read_checkpoint

FOLDER = METHODS[0].parent
OWN_PHASES = [
    *("iu", "bu3", "inc_ctr", "spmf", "ader", "sml", "sml_mf", "ewc", "frozen", "retrain"),
    *("asmg_linear", "gru_full", "gru_single", "residual_multi"),
]
DAYS = 12
EMPTY, ONE_ROW, ONE_CLASS = (6, 9), (7, 10), (8, 11)
BY_DAY = ["--data.periods", "asmg_pl.data.Calendar", "--data.periods.every", "1d", "--data.periods.include_last", True]
Write = Callable[[pl.DataFrame, pl.DataFrame], Path]


@pytest.fixture
def days(write_stream: Write) -> Path:
    """A stream of 12 days; some have no row, one row, or positive rows only, both while warming up and in the test."""
    rows = ratings().with_columns(day=1 + pl.int_range(pl.len()) * DAYS // pl.len())
    rows = rows.filter(~pl.col("day").is_in(EMPTY))
    rows = rows.filter(~pl.col("day").is_in(ONE_ROW) | pl.col("day").is_first_distinct())
    rows = rows.with_columns(rating=pl.when(pl.col("day").is_in(ONE_CLASS)).then(5.0).otherwise("rating"))
    midnight = 1_388_534_400 + pl.col("day") * 86_400
    rows = rows.with_columns(timestamp=midnight + pl.int_range(pl.len()).over("day"))
    return write_stream(rows.drop("day"), movies())


@pytest.mark.parametrize("method", slow_but(["frozen"], OWN_PHASES))
def test_every_updater_walks_over_days_without_rows_and_goes_on_from_them(
    fit: Asmg, days: Path, tmp_path: Path, method: str
) -> None:
    given = ("--config", FOLDER / f"{method}.yaml", *PRETRAINING, *BY_DAY)
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    finished = fit(whole, *given, root=days)
    assert finished.code == 0, finished.err
    assert "12 periods of 0 to 217 rows; empty: 6, 9; of one class: 7, 8, 10, 11" in finished.out
    assert "(left out where not defined: period 8, 9, 10, 11)" in finished.out
    table = pl.read_csv(whole / "metrics.csv")
    assert table["period"].to_list() == list(range(5, DAYS + 1))
    assert table["rows"].to_list() == [217, 0, 1, 217, 0, 1, 217, 216]
    for row in table.iter_rows(named=True):
        assert math.isnan(row["serving_auc"]) == (row["period"] in (*EMPTY, *ONE_ROW, *ONE_CLASS))
        assert math.isnan(row["serving_logloss"]) == (row["period"] in EMPTY)
    assert fit(parted, *given, "--loop.until", 9, root=days).code == 0
    assert fit(parted, *given, "--ckpt_path", "last", root=days).code == 0
    assert metrics(parted) == metrics(whole)


@pytest.mark.slow
def test_after_an_empty_day_the_same_model_serves(fit: Asmg, days: Path, tmp_path: Path) -> None:
    given = ("--config", FOLDER / "residual_multi.yaml", *PRETRAINING, *BY_DAY, "--checkpoint.keep", 100)
    assert fit(tmp_path, *given, "--model.init_args.stop_at_test", True, root=days).code == 0
    last = [sorted((tmp_path / "checkpoints").glob(f"period-00000{period}-*"))[-1] for period in (8, 9)]
    saved = [read_checkpoint(path)["state_dict"] for path in last]
    before, after = ({k: v for k, v in state.items() if k.startswith("recommender.")} for state in saved)
    for name, value in before.items():
        assert torch.equal(value, after[name]), name


@pytest.mark.slow
def test_a_generator_waits_when_the_first_day_that_would_train_it_is_empty(
    fit: Asmg, days: Path, tmp_path: Path
) -> None:
    given = ("--config", FOLDER / "gru_multi.yaml", *PRETRAINING, *BY_DAY, "--model.init_args.window", 1)
    assert fit(tmp_path, *given, root=days).code == 0
    table = pl.read_csv(tmp_path / "metrics.csv")
    differs = (table["serving_logloss"] - table["incremental_logloss"]).abs() > 0
    assert dict(zip(table["period"], differs, strict=True))[7] is False, "no step was taken in period 6"
    assert dict(zip(table["period"], differs, strict=True))[8] is True


def test_a_day_without_rows_to_choose_the_epoch_is_refused_before_any_work(
    fit: Asmg, days: Path, tmp_path: Path
) -> None:
    finished = fit(tmp_path / "run", *BY_DAY, "--model.init_args.pretrain_periods", 5, root=days)
    assert finished.code == 2
    assert "period 6, by which the epoch of pre-training is chosen, has no rows" in finished.err
    assert "Traceback" not in finished.err
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.slow
def test_on_a_day_of_one_class_logloss_chooses_the_epoch(fit: Asmg, days: Path, tmp_path: Path) -> None:
    given = (*BY_DAY, "--model.init_args.pretrain_periods", 7, "--model.init_args.pretrain_epochs", 3)
    assert fit(tmp_path / "run", *given, root=days).code == 0
    table = pl.read_csv(tmp_path / "run" / "metrics.csv")
    assert table["period"][0] == 8
    best = table["serving_logloss"][0]
    for epochs in (1, 2):  # what fewer epochs could choose from was there too
        fewer = tmp_path / f"{epochs}"
        assert fit(fewer, *given[:-1], epochs, root=days).code == 0
        assert pl.read_csv(fewer / "metrics.csv")["serving_logloss"][0] >= best
