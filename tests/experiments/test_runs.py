"""Reading what walks have left."""

from __future__ import annotations

from pathlib import Path

import pytest

from asmg_pl.errors import DataError
from asmg_pl.experiments.runs import find_runs, read_run, read_runs
from asmg_pl.experiments.summary import scores, summary

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
        (folder / "timings.csv").write_text(TIMINGS.replace(",2\n", f",{1 + seed}\n"))
        (folder / "config.yaml").write_text(CONFIG)
        (folder / "peak_memory_mib.txt").write_text(f"{100 * seed}\n")
    return found


def test_a_summary_has_setting_scores_spread_and_costs_without_scoring(
    folders: dict[int, Path],
) -> None:
    found = summary(read_runs(folders))
    assert found.pop("note") == ""
    assert found.pop("setting") == "batch 64, lr 0.001, passes 2, generator lr 1e-05"
    expected = {"auc": 0.65, "logloss": 0.7, "auc_std": 0.1 / 2**0.5, "steps": 7, "seconds": 7, "peak_mib": 200}
    assert found == pytest.approx(expected)


def test_of_the_warm_up_periods_an_undefined_score_is_left_out(folders: dict[int, Path]) -> None:
    found = summary(read_runs(folders), "warm-up")
    assert (found["auc"], found["logloss"]) == (0.5, pytest.approx(0.7))
    assert found["steps"] == 4.5  # period 6 has 9, and period 7 none


def test_one_seed_has_no_spread(folders: dict[int, Path]) -> None:
    assert summary(read_runs({1: folders[1]}))["auc_std"] is None


def test_what_a_run_did_not_note_is_left_open(folders: dict[int, Path]) -> None:
    for name in ("timings.csv", "config.yaml", "peak_memory_mib.txt"):
        (folders[1] / name).unlink()
    found = summary([read_run(folders[1])])
    assert found["auc"] == 0.6
    assert (found["setting"], found["steps"], found["seconds"], found["peak_mib"]) == ("", None, None, None)


def test_memory_that_nobody_watched_is_that_of_the_timings(folders: dict[int, Path]) -> None:
    (folders[1] / "peak_memory_mib.txt").unlink()
    lines = TIMINGS.splitlines()
    noted = [f"{lines[0]},peak_mib", *(f"{line},{200 + place}.5" for place, line in enumerate(lines[1:]))]
    (folders[1] / "timings.csv").write_text("\n".join(noted) + "\n")
    assert read_run(folders[1]).peak_mib == 204.5


def test_runs_are_named_by_the_path_to_them_without_the_seed(folders: dict[int, Path], tmp_path: Path) -> None:
    for inner in ("study/iu/seed-3", "study/gru/window=2/seed-3", "study/pretraining/common/seed-3"):
        (tmp_path / inner).mkdir(parents=True)
        scored = "" if "pretraining" in inner else METRICS.format(auc=0.5)
        (tmp_path / inner / "metrics.csv").write_text(scored + "\n")
        (tmp_path / inner / "config.yaml").write_text("seed_everything: 3\n")
    found = find_runs([tmp_path / "study"])
    assert [(run.method, run.seed) for run in found] == [("gru/window=2", 3), ("iu", 3)]
    named = find_runs([tmp_path / "study" / "iu", tmp_path / "study" / "iu" / "seed-3", folders[2]])
    assert [run.method for run in named] == ["iu", "iu", "2"]


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"there is no run in {tmp_path}"):
        find_runs([tmp_path])
    with pytest.raises(DataError, match="has no scores"):
        read_run(tmp_path)


def test_all_metrics_of_the_serving_model_are_scores_and_undefined_ones_null(folders: dict[int, Path]) -> None:
    found = scores(read_runs({4: folders[1]}), "warm-up")
    assert found.to_dict(as_series=False) == {
        "seed": [4, 4],
        "period": [6, 7],
        "auc": [0.5, None],
        "logloss": [0.6, 0.8],
    }
