"""The report of small walks: tables, timings, loggers and what is shown on the screen."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from lightning import Trainer
from lightning.pytorch.callbacks import LambdaCallback
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger

from asmg_pl.callbacks import PeriodLoop, PeriodReport, PhaseCheckpoint
from asmg_pl.callbacks.configuration import described
from asmg_pl.callbacks.report import COMPARE, opening
from asmg_pl.checkpoints.io import AtomicCheckpointIO
from asmg_pl.data import EqualCounts, InteractionLog, PeriodDataModule
from asmg_pl.data.cutting.calendar import Boundaries, Calendar
from asmg_pl.data.sources import DriftingStream, Source
from asmg_pl.metrics.results import mean_over
from asmg_pl.updaters import SPMF, IncrementalUpdate, Updater

pytestmark = pytest.mark.filterwarnings("ignore")
METRICS = [
    *("auc", "logloss", "gauc", "calibration", "normalized_entropy"),
    *("auc_known_users", "auc_new_users", "logloss_known_users", "logloss_new_users"),
    *("auc_known_items", "auc_new_items", "logloss_known_items", "logloss_new_items"),
]
STREAM = DriftingStream(users=10, items=12, rows=200, categories=3)


class OneClass(Source):
    """Nobody likes anything, but for one row before the first period that is scored."""

    def read(self, root: Path | None) -> InteractionLog:
        columns = {"user": [1, 2] * 20, "item": [1] * 40, "label": [1] + [0] * 39, "time": range(40)}
        return InteractionLog.from_frame(pl.DataFrame(columns))


def parts(
    folder: Path,
    until: int | None = None,
    logger: Logger | None = None,
    source: Source = STREAM,
    kind: type[Updater] = IncrementalUpdate,
) -> tuple[Trainer, Updater, PeriodDataModule]:
    """Five periods; two pre-train, the third selects, the fourth warms up, the fifth tests."""
    torch.manual_seed(1)
    data = PeriodDataModule(source, periods=EqualCounts(5), batch_size=16, scoring_batch_size=30, history_size=2)
    model = kind(data.sizes, pretrain_periods=2, pretrain_epochs=2, test_from=5)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=-1,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=logger or False,
        enable_model_summary=False,
        enable_progress_bar=False,
        default_root_dir=folder,
        plugins=[AtomicCheckpointIO()],
        callbacks=[PeriodLoop(until), PeriodReport(), PhaseCheckpoint(keep=-1)],
    )
    return trainer, model, data


def walk(folder: Path, ckpt_path: Path | None = None, **options: Any) -> Updater:
    trainer, model, data = parts(folder, **options)
    trainer.fit(model, datamodule=data, ckpt_path=ckpt_path)
    return model


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Updater]:
    """The folder and the model of a whole walk, for tests that change neither."""
    folder = tmp_path_factory.mktemp("walked")
    return folder, walk(folder)


def test_metrics_have_a_row_per_scored_period(walked: tuple[Path, Updater]) -> None:
    folder, model = walked
    table = pl.read_csv(folder / "metrics.csv")
    counts = ["period", "split", "rows", "positives", "new_user_rows", "new_item_rows", "diverged"]
    assert table.columns == counts + [f"serving_{metric}" for metric in METRICS]
    assert table["period"].to_list() == [3, 4, 5]
    assert table["split"].to_list() == ["selection", "warm-up", "test"]
    assert table["rows"].to_list() == [40, 40, 40]
    for row in table.iter_rows(named=True):
        assert str(row) == str(model.results[row["period"]].flat())  # by their repr, nan is nan


def test_timings_have_a_row_per_phase(walked: tuple[Path, Updater]) -> None:
    table = pl.read_csv(walked[0] / "timings.csv")
    assert table.columns == ["period", "phase", "pass", "mini_batches", "steps", "seconds", "peak_mib"]
    pretraining = [(2, "pretrain", 1, 5, 5), (2, "select", 1, 2, 0), (2, "pretrain", 2, 5, 5), (2, "select", 2, 2, 0)]
    walking = [row for period in (3, 4, 5) for row in ((period, "score", 1, 2, 0), (period, "update", 1, 3, 3))]
    assert table.drop("seconds", "peak_mib").rows() == pretraining + walking
    assert (table["seconds"] > 0).all()
    assert table["peak_mib"].is_sorted()
    assert table["peak_mib"].is_between(50, 50_000).all()


def test_metrics_of_equal_runs_are_equal_byte_by_byte(walked: tuple[Path, Updater], tmp_path: Path) -> None:
    walk(tmp_path)
    assert (tmp_path / "metrics.csv").read_bytes() == (walked[0] / "metrics.csv").read_bytes()


def test_what_an_earlier_walk_learned_is_not_left_beside_another_walks_scores(tmp_path: Path) -> None:
    (tmp_path / "learned.csv").write_text("period\n3\n")
    walk(tmp_path, until=3)
    assert not (tmp_path / "learned.csv").exists()


def test_nothing_but_the_report_is_left_in_the_folder(walked: tuple[Path, Updater]) -> None:
    folder, _ = walked
    of_the_walk = [".run.lock", "checkpoints", "walk.json"]
    assert sorted(p.name for p in folder.iterdir()) == sorted([*of_the_walk, "auc.png", "metrics.csv", "timings.csv"])
    assert (folder / "auc.png").read_bytes().startswith(b"\x89PNG")


def test_a_walk_that_goes_on_repeats_no_row_and_loses_none(walked: tuple[Path, Updater], tmp_path: Path) -> None:
    folder, _ = walked
    for name in ("metrics.csv", "timings.csv"):  # as if the walk had been killed long after its checkpoint
        (tmp_path / name).write_bytes((folder / name).read_bytes() + b"rows,without,a,checkpoint\n")
    walk(tmp_path, ckpt_path=folder / "checkpoints" / "period-000003-phase-001-update.ckpt")
    assert (tmp_path / "metrics.csv").read_bytes() == (folder / "metrics.csv").read_bytes()
    timings = [pl.read_csv(where / "timings.csv").drop("seconds", "peak_mib") for where in (folder, tmp_path)]
    assert timings[0].equals(timings[1])


def test_a_logger_gets_each_score_once_with_the_period_as_the_step(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path / "logs", flush_logs_every_n_steps=1)
    model = walk(tmp_path, logger=logger)
    table = pl.read_csv(Path(logger.log_dir) / "metrics.csv")
    assert table["step"].to_list() == [3, 4, 5]
    for row in table.iter_rows(named=True):
        score = model.results[row["step"]].scores["serving"]
        assert list(score) == METRICS
        assert {name: float(row[f"serving/{name}"]) for name in score} == pytest.approx(score, rel=1e-6, nan_ok=True)


def test_tensorboard_gets_the_same_rows_and_the_provenance(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    logger = TensorBoardLogger(tmp_path, "logs")
    trainer, model, data = parts(tmp_path, logger=logger)
    describe = LambdaCallback(on_train_start=lambda trainer, _: logger.log_hyperparams(described(trainer)))
    trainer.callbacks.append(describe)  # type: ignore[attr-defined]
    trainer.fit(model, datamodule=data)
    written = events.EventAccumulator(logger.log_dir)
    written.Reload()
    for name in ("serving/auc", "serving/logloss", "data/rows"):
        found = [(event.step, event.value) for event in written.Scalars(name)]
        assert found == [(period, pytest.approx(r.logged()[name])) for period, r in model.results.items()]
    told = written.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    assert data.state_dict()["fingerprint"].encode() in told


@pytest.mark.slow
def test_mlflow_gets_the_same_rows_and_the_provenance(tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    logger = MLFlowLogger("fresh", tracking_uri=store, artifact_location=str(tmp_path / "artifacts"))
    trainer, model, data = parts(tmp_path, logger=logger)
    describe = LambdaCallback(on_train_start=lambda trainer, _: logger.log_hyperparams(described(trainer)))
    trainer.callbacks.append(describe)  # type: ignore[attr-defined]
    trainer.fit(model, datamodule=data)
    client = mlflow.MlflowClient(store)
    for name in ("serving/auc", "serving/logloss", "data/rows"):
        found = [(metric.step, metric.value) for metric in client.get_metric_history(logger.run_id, name)]
        assert found == [(period, pytest.approx(r.logged()[name])) for period, r in model.results.items()]
    run = client.get_run(logger.run_id)
    assert run.data.params["stream/fingerprint"] == data.state_dict()["fingerprint"]
    assert run.info.status == "FINISHED"


def test_the_screen_shows_pretraining_a_header_and_a_row_per_period(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "asmg_pl")
    model = walk(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.split() == ["serving"])
    _, header, *rows, mean_row, means, how = lines[start:]
    cut, memory, few, pretrained, files = [said.message for said in caplog.records if said.name.startswith("asmg_pl.")]
    assert cut == "5 periods of 40 rows"
    assert memory.startswith("memory: recommender ")
    assert "optimiser steps a period" in few
    assert re.fullmatch(r"pre-trained on periods 1 to 2 in \d+\.\d s", pretrained)
    assert header.split() == ["period", "split", "rows", "auc", "logloss", "seconds"]
    timings = pl.read_csv(tmp_path / "timings.csv")
    for row, (period, result) in zip(rows, model.results.items(), strict=True):
        score, spent = result.scores["serving"], timings.filter(pl.col("period") == period)["seconds"].sum()
        expected = [str(period), result.split, "40", f"{score['auc']:.4f}", f"{score['logloss']:.4f}", f"{spent:.2f}"]
        assert row.split() == expected
    score = model.results[5].scores["serving"]
    assert mean_row.split() == ["mean", "test", f"{score['auc']:.4f}", f"{score['logloss']:.4f}"]
    assert means.endswith(f"5 to 5: serving auc {score['auc']:.4f}, serving logloss {score['logloss']:.4f}")
    assert how == COMPARE
    assert files.endswith(str(tmp_path))


def test_debug_messages_follow_the_walk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "asmg_pl")
    walk(tmp_path, until=3)
    said = [record.message for record in caplog.records if record.levelname == "DEBUG" and "asmg_pl" in record.name]
    for first, second in [
        ("period 2 · pretrain begins: pass 2, 5 mini-batches over 80 rows of 2 periods", "pre-training's epoch 2 has"),
        ("pre-training ends with its best epoch", "period 3 · score begins: pass 1, 2 mini-batches over 40 rows of 1"),
        ("period 3 · update begins", "period 3 · update ends after "),
        ("period 3 · update ends", "period-000003-phase-001-update.ckpt is written"),
    ]:
        places = [next(place for place, line in enumerate(said) if part in line) for part in (first, second)]
        assert places == sorted(places)


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_a_phase_that_reads_no_whole_period_is_told_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, level: str
) -> None:
    caplog.set_level(level, "asmg_pl")
    walk(tmp_path, until=3, kind=SPMF)
    assert ("rows that the method chooses" in caplog.text) is (level == "DEBUG")


def test_a_walk_that_only_pretrains_reports_no_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    walk(tmp_path, until=2)
    assert (tmp_path / "metrics.csv").read_text().strip() == ""
    assert pl.read_csv(tmp_path / "timings.csv").height == 4
    assert not (tmp_path / "auc.png").exists()
    assert "mean over" not in capsys.readouterr().out


def test_a_stream_of_one_class_is_reported_with_nan(tmp_path: Path) -> None:
    walk(tmp_path, source=OneClass())
    table = pl.read_csv(tmp_path / "metrics.csv")
    for metric in ("auc", "gauc", "calibration", "normalized_entropy", "auc_known_users", "logloss_new_users"):
        assert table[f"serving_{metric}"].dtype == pl.Float64
        assert table[f"serving_{metric}"].is_nan().all()
    assert table["serving_logloss"].is_finite().all()
    assert table["serving_logloss"].equals(table["serving_logloss_known_users"])
    assert (tmp_path / "auc.png").exists()


@pytest.mark.parametrize(("verb", "count"), [("test", 2), ("validate", 1)])
def test_an_evaluation_shows_the_periods_after_the_checkpoint_and_their_mean(
    walked: tuple[Path, Updater], capsys: pytest.CaptureFixture[str], verb: str, count: int
) -> None:
    folder, _ = walked
    before = (folder / "metrics.csv").read_bytes()
    trainer, model, data = parts(folder)
    checkpoint = folder / "checkpoints" / "period-000003-phase-001-update.ckpt"
    getattr(trainer, verb)(model, datamodule=data, ckpt_path=checkpoint, verbose=False)
    assert list(model.evaluation) == [4, 5][:count]
    out = capsys.readouterr().out
    assert len(re.findall(r"^ +[45] ", out, re.MULTILINE)) == count
    assert all(list(result.scores["serving"]) == METRICS for result in model.evaluation.values())
    means = mean_over(model.evaluation.values())
    logged = {name: value.item() for name, value in trainer.logged_metrics.items()}
    assert logged == {name: pytest.approx(value, rel=1e-6, nan_ok=True) for name, value in means.items()}
    auc = math.fsum(r.scores["serving"]["auc"] for r in model.evaluation.values()) / count
    assert f"serving auc {auc:.4f}" in out.splitlines()[-1]
    assert (folder / "metrics.csv").read_bytes() == before


def test_the_first_lines_say_which_rows_wait_and_that_nothing_will_be_a_test(tmp_path: Path) -> None:
    day = 86_400
    rows = 3 * day // 3600 + 5  # hourly rows of three days and a bit
    columns = {"user": range(rows), "item": [1] * rows, "label": [n % 2 for n in range(rows)]}
    times = {"time": [1_600_041_600 + 3600 * n for n in range(rows)]}  # from a midnight on
    log = InteractionLog.from_frame(pl.DataFrame(columns | times))

    class There(Source):
        def read(self, root: Path | None) -> InteractionLog:
            return log

    data = PeriodDataModule(There(), periods=Calendar("1d"))
    assert opening(data, 4, 3) == [
        "3 periods of 24 rows",
        "5 rows since 2020-09-17 00:00:00 UTC wait for the day to end, with a row from 2020-09-18 UTC on; if the "
        "stream has all rows up to then, give --data.periods.complete_until 2020-09-18, or now to go by the clock",
        "no test period, and so no mean: test_from is 4, the walk has 3 periods. Set --model.init_args.test_from to "
        "one of them, or cut time finer (data.periods)",
    ]
    assert opening(data, 3, 3) == opening(data, 4, 3)[:2]
    later = PeriodDataModule(There(), periods=Boundaries(["2020-09-15", "2020-09-16", "2020-09-17"]))
    assert opening(later, 2, 2) == [
        "2 periods of 24 rows",
        "24 rows before the first period are in histories only",
        "5 rows since 2020-09-17 00:00:00 UTC wait for a later one of data.periods.times",
    ]
    counted = PeriodDataModule(STREAM, periods=EqualCounts(6))
    assert re.fullmatch(r"2 rows since .* wait for later rows, to fill a period of 33", opening(counted, 5, 6)[1])


def test_the_first_line_names_some_of_many_odd_periods(tmp_path: Path) -> None:
    [line, *_] = opening(PeriodDataModule(STREAM, periods=EqualCounts(200)), 5, 200)  # of one row each
    named = ", ".join(map(str, range(1, 21)))
    assert line == f"200 periods of 1 rows; of one class: {named} and 180 more"


def test_a_walk_without_a_test_period_says_why_it_has_no_mean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    walk(tmp_path, until=4)
    out = capsys.readouterr().out
    assert "no test period yet: test_from is 5, and the walk goes as far as period 4 (--loop.until)" in out
    assert "mean over" not in out
