"""``asmg freshness``: the scores are those of the walk and of ``asmg test``, and none is made twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest
from experiments.conftest import Command, called

from asmg_pl.experiments.freshness.cells import CELLS
from asmg_pl.experiments.freshness.scoring import CheckpointScorer

WALK = [
    *("--model", "ASMG", "--model.init_args.window", "2", "--model.init_args.pretrain_periods", "2"),
    *("--model.init_args.pretrain_epochs", "1", "--model.init_args.test_from", "6", "--data.source", "DriftingStream"),
    *("--data.source.init_args.users", "15", "--data.source.init_args.items", "20"),
    *("--data.source.init_args.rows", "480", "--data.periods", "EqualCounts", "--data.periods.init_args.count", "8"),
    *("--data.batch_size", "16", "--data.history_size", "5", "--checkpoint.keep", "-1", "--export.keep", "-1"),
]


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A walk of 8 periods, of which each has kept its model; not to be changed."""
    folder = tmp_path_factory.mktemp("walked") / "run"
    done = called(["fit", *WALK, "--trainer.default_root_dir", str(folder)])
    assert done.code == 0, done.err
    return folder


@pytest.fixture
def run(walked: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(walked, tmp_path / "run"))


def cells(run: Path) -> pl.DataFrame:
    return pl.read_csv(run / CELLS)


def test_age_one_has_the_walks_scores_and_an_older_age_those_of_asmg_test(
    run: Path, asmg: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    done = asmg("freshness", run, "--ages", 3)
    assert done.code == 0, done.err
    found = cells(run)
    assert sorted(found["age"].unique().to_list()) == [-2, -1, 0, 1, 2, 3]
    walked = pl.read_csv(run / "metrics.csv").select("period", "serving_auc", "serving_logloss")
    newest = found.filter(age=1).join(walked, on="period")
    assert newest["period"].to_list() == [5, 6, 7, 8]
    assert newest["auc"].equals(newest["serving_auc"], check_names=False)
    assert newest["logloss"].equals(newest["serving_logloss"], check_names=False)

    (checkpoint,) = (run / "checkpoints").glob("period-000004-*")
    tested = asmg("test", *WALK, "--trainer.default_root_dir", run.parent / "other", "--ckpt_path", checkpoint)
    assert tested.code == 0, tested.err
    shown = {line.split()[0]: line.split() for line in tested.out.splitlines() if line.strip()[:1].isdigit()}
    old = found.filter(after_period=4, period=7).row(0, named=True)
    assert f"{old['auc']:.4f}" in shown["7"]
    assert f"{old['logloss']:.4f}" in shown["7"]
    assert set(found.filter(pl.col("age") <= 0)["split"]) == {"seen"}
    assert set(found.filter(pl.col("age") > 0)["split"]) == {"warm-up", "test"}


def test_it_writes_table_plot_and_sentence_no_wider_than_the_terminal(run: Path, asmg: Command) -> None:
    done = asmg("freshness", run, "--ages", 2)
    assert done.code == 0, done.err
    assert "a period's delay" in done.out
    assert "a period's delay" in (run / "freshness.md").read_text()
    assert max(map(len, done.out.splitlines())) <= 80
    assert (run / "freshness.png").read_bytes()[:4] == b"\x89PNG"
    curve = pl.read_csv(run / "freshness.csv")
    assert curve.filter(pl.col("seen"))["age"].to_list() == [-1, 0]
    assert "model after period" in done.err  # the bar names model and period


def test_what_is_scored_is_not_scored_again_and_a_stopped_call_goes_on(
    run: Path, asmg: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = CheckpointScorer.score
    scored: list[str] = []

    def stopping(self: CheckpointScorer, checkpoint: Path, *args: object) -> object:
        if len(scored) == 3:
            raise KeyboardInterrupt
        scored.append(checkpoint.name[:13])
        return score(self, checkpoint, *args)  # type: ignore[arg-type]

    def noting(self: CheckpointScorer, checkpoint: Path, *args: object) -> object:
        scored.append(checkpoint.name[:13])
        return score(self, checkpoint, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(CheckpointScorer, "score", stopping)
    stopped = asmg("freshness", run, "--ages", 2)
    assert stopped.code == 130
    assert not (run / "freshness.csv").exists()
    monkeypatch.setattr(CheckpointScorer, "score", noting)
    assert asmg("freshness", run, "--ages", 2).code == 0
    assert len(scored) == len(set(scored))
    first = (run / "freshness.csv").read_bytes()
    again = asmg("freshness", run, "--ages", 2)
    assert "scores are there already" in again.err
    assert len(scored) == len(set(scored))
    assert (run / "freshness.csv").read_bytes() == first


def test_a_checkpoint_that_has_changed_is_scored_anew(run: Path, asmg: Command) -> None:
    assert asmg("freshness", run, "--ages", 2).code == 0
    before = cells(run)
    damaged = before.with_columns(
        content=pl.when(pl.col("after_period") == 5).then(pl.lit("other")).otherwise("content")
    )
    damaged.with_columns(auc=pl.when(pl.col("after_period") == 5).then(0.9).otherwise("auc")).write_csv(run / CELLS)
    assert asmg("freshness", run, "--ages", 2).code == 0
    assert cells(run).equals(before)


def test_without_checkpoints_serving_packages_are_scored_and_come_to_much_the_same(run: Path, asmg: Command) -> None:
    assert asmg("freshness", run, "--ages", 2).code == 0
    of_checkpoints = cells(run)
    for path in (run / "checkpoints").glob("*.ckpt"):
        path.unlink()
    done = asmg("freshness", run, "--ages", 2)
    assert done.code == 0, done.err
    both = cells(run).join(of_checkpoints, on=["after_period", "period"], suffix="_of_checkpoints")
    assert len(both) == len(of_checkpoints)
    assert (both["split"] == both["split_of_checkpoints"]).all()
    assert (both["content"] != both["content_of_checkpoints"]).all()
    known = both.filter(pl.col("age") <= 0)  # without unknown ids, the scores are the same up to rounding
    assert ((known["logloss"] - known["logloss_of_checkpoints"]).abs() < 1e-5).all()
    (run / "serving" / "after-period-000006" / "popularity.npy").write_bytes(b"")
    (run / CELLS).unlink()
    done = asmg("freshness", run, "--ages", 2)
    assert (done.code, done.out) == (2, "")
    assert "popularity.npy" in done.err


@pytest.mark.parametrize("kept", [1, 2, 4])
def test_too_few_models_are_one_message_with_what_to_set(run: Path, asmg: Command, kept: int) -> None:
    shutil.rmtree(run / "serving")
    for path in sorted((run / "checkpoints").glob("*.ckpt"))[:-kept]:
        path.unlink()
    done = asmg("freshness", run)
    assert (done.code, done.out) == (2, "")
    assert "--checkpoint.keep -1" in done.err
    assert ("--ages" in done.err.rpartition(",")[2]) == (kept > 2)


def test_a_folder_without_a_run_and_a_wrong_age_are_refused(tmp_path: Path, asmg: Command) -> None:
    assert "config.yaml: give the folder of a run" in asmg("freshness", tmp_path).err
    done = asmg("freshness", tmp_path, "--ages", 1)
    assert (done.code, done.out) == (2, "")
    assert "from 2 on" in done.err


def test_other_settings_than_the_walks_are_refused(run: Path, asmg: Command) -> None:
    done = asmg("freshness", run, "--ages", 2, "--", "--data.history_size", 4)
    assert (done.code, done.out) == (2, "")
    assert "data.history_size" in done.err


def test_damaged_files_are_named(run: Path, asmg: Command) -> None:
    (run / CELLS).write_text("after_period,period\n1,")
    done = asmg("freshness", run, "--ages", 2)
    assert (done.code, done.out) == (2, "")
    assert CELLS in done.err
    (run / CELLS).unlink()
    (checkpoint,) = (run / "checkpoints").glob("period-000004-*")
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    done = asmg("freshness", run, "--ages", 2)
    assert (done.code, done.out) == (2, "")
    assert checkpoint.name in done.err
