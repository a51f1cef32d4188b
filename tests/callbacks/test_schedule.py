"""A run folder tells which settings have raced, who led, and what it has cost."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import polars as pl
import pytest
from lightning.pytorch.loggers import CSVLogger

import asmg_pl
from asmg_pl.data import EqualCounts, PeriodDataModule
from asmg_pl.data.sources import DriftingStream
from asmg_pl.updaters import IncrementalUpdate, SelfTuning, Updater


def walk(folder: Path, tuning: SelfTuning | None) -> Updater:
    data = PeriodDataModule(DriftingStream(users=15, items=20, rows=540), periods=EqualCounts(9), batch_size=16)
    method = partial(IncrementalUpdate, pretrain_periods=2, pretrain_epochs=1, test_from=6, self_tuning=tuning)
    logger = CSVLogger(folder / "logs", name="", version="")
    return asmg_pl.walk(method, data, folder, accelerator="cpu", enable_progress_bar=False, logger=logger).updater


def test_a_walk_writes_its_schedule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tuning = SelfTuning(learning_rates=[1e-3, 3e-2], batch_sizes=[16, 8], race_periods=2, budget=1.0)
    race = walk(tmp_path, tuning).race
    schedule, scores = pl.read_csv(tmp_path / "schedule.csv"), pl.read_csv(tmp_path / "metrics.csv")
    assert schedule["period"].unique().sort().to_list() == list(range(3, 10))
    for (period,), turns in schedule.group_by("period", maintain_order=True):
        assert turns["turn"].to_list() == list(range(len(race.turns[period])))
        (score,) = scores.filter(pl.col("period") == period)["serving_logloss"]
        assert turns["logloss"][0] in (None, score)
        assert turns["behind"][0] == 0
    assert schedule.filter(period=3)["logloss"].to_list() == [None] * 4  # all have the same state
    assert None not in schedule.filter(period=4)["logloss"].to_list()

    timings = pl.read_csv(tmp_path / "timings.csv")
    taken = timings.group_by("period", "turn").agg(pl.col("mini_batches").sum())
    found = schedule.join(taken, ["period", "turn"], suffix="_timed")
    assert len(found) == len(schedule)
    assert found["mini_batches"].to_list() == found["mini_batches_timed"].to_list()

    logged = pl.read_csv(tmp_path / "logs" / "metrics.csv")
    assert logged["period"].to_list() == list(range(3, 10))
    leaders = schedule.filter(turn=0)
    assert logged["self_tuning/learning_rate"].to_list() == leaders["learning_rate"].to_list()
    said = capsys.readouterr().out
    assert "of 4 settings" in said
    assert "times the leader's mini-batches" in said


def test_a_walk_without_self_tuning_has_none(tmp_path: Path) -> None:
    walk(tmp_path, None)
    assert not (tmp_path / "schedule.csv").exists()
    assert "turn" not in pl.read_csv(tmp_path / "timings.csv").columns
