"""Reading what walks have left."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_folder import summary

METRICS = """period,split,serving_auc,serving_logloss
5,selection,0.9,0.1
6,warm-up,0.5,0.6
7,warm-up,NaN,0.8
8,test,{auc},0.7
"""
TIMINGS = """period,phase,pass,mini_batches,steps,seconds
6,update,1,9,9,90
8,score,1,9,0,100
8,transfer,1,4,3,2
8,update,1,4,4,1
8,weigh,1,4,0,4
"""
CONFIG = """
data: {batch_size: 64}
model: {init_args: {learning_rate: 0.001, window: 3, passes: 2, generator_learning_rate: 1.0e-05, pretrain_epochs: 5}}
"""


@pytest.fixture
def folders(tmp_path: Path) -> dict[int, Path]:
    found = {seed: tmp_path / str(seed) for seed in (1, 2)}
    for seed, folder in found.items():
        folder.mkdir()
        (folder / "metrics.csv").write_text(METRICS.format(auc=0.5 + seed / 10))
        (folder / "timings.csv").write_text(TIMINGS)
        (folder / "config.yaml").write_text(CONFIG)
        (folder / "peak_memory_mib.txt").write_text(f"{100 * seed}\n")
    return found


def test_a_summary_has_setting_scores_spread_and_costs_of_all_phases_but_scoring(folders: dict[int, Path]) -> None:
    found = summary(folders)
    assert found.pop("setting") == "batch 64, lr 0.001, passes 2, generator lr 1e-05"
    expected = {"auc": 0.65, "logloss": 0.7, "auc_std": 0.1 / 2**0.5, "steps": 7, "seconds": 7, "peak_mib": 150}
    assert found == pytest.approx(expected)


def test_of_the_warm_up_periods_an_undefined_score_is_left_out(folders: dict[int, Path]) -> None:
    found = summary(folders, "warm-up")
    assert (found["auc"], found["logloss"]) == (0.5, pytest.approx(0.7))
    assert found["steps"] == 4.5  # period 6 has 9, and period 7 none


def test_one_seed_has_no_spread(folders: dict[int, Path]) -> None:
    assert summary({1: folders[1]})["auc_std"] is None
