"""``asmg test`` and ``asmg validate`` score a checkpoint's models as the walk did."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import polars as pl
import pytest
from end_to_end.program import Asmg, Finished
from lightning import LightningModule, Trainer

from asmg_pl.callbacks import PeriodReport
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.updaters import Updater

Walk = tuple[Path, Finished]


@pytest.fixture
def evaluate(asmg: Asmg, walk: Walk, stream: Path, tmp_path: Path) -> Asmg:
    """Evaluate the checkpoint that the walk kept after a period."""

    def run(subcommand: str, period: int, *arguments: object) -> Finished:
        (checkpoint,) = (walk[0] / "checkpoints").glob(f"period-{period:06d}-*")
        given = ("--config", stream / "config.yaml", "--data.root", stream, "--trainer.default_root_dir", tmp_path)
        return asmg(subcommand, *given, "--ckpt_path", checkpoint, *arguments)

    return run


def rows_shown(finished: Finished) -> list[list[str]]:
    assert finished.code == 0, finished.err
    return [line.split() for line in finished.out.splitlines() if line.strip()[:1].isdigit()]


def expected(walk: Walk, period: int) -> list[str]:
    row = pl.read_csv(walk[0] / "metrics.csv").filter(period=period).row(0, named=True)
    scores = [f"{value:.4f}" for name, value in row.items() if name.endswith(("_auc", "_logloss"))]
    lift = [f"{row['serving_auc'] - row['incremental_auc']:+.4f}"] if "incremental_auc" in row else []
    return [str(period), row["split"], str(row["rows"]), *scores, *lift]


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> list[dict[int, PeriodResult]]:
    """What the program was about to show, without the rounding: one entry per evaluation."""
    found: list[dict[int, PeriodResult]] = []
    show = PeriodReport.on_test_end

    def note(report: PeriodReport, trainer: Trainer, pl_module: LightningModule) -> None:
        found.append(dict(cast(Updater, pl_module).evaluation))
        show(report, trainer, pl_module)

    monkeypatch.setattr(PeriodReport, "on_test_end", note)
    monkeypatch.setattr(PeriodReport, "on_validation_end", note)
    return found


@pytest.mark.parametrize("period", [4, 8, 12])
def test_the_next_period_is_scored_as_in_the_walk(
    evaluate: Asmg, walk: Walk, exact: list[dict[int, PeriodResult]], period: int
) -> None:
    assert rows_shown(evaluate("validate", period)) == [expected(walk, period + 1)]
    assert rows_shown(evaluate("test", period))[0] == expected(walk, period + 1)
    walked = pl.read_csv(walk[0] / "metrics.csv").filter(period=period + 1).row(0, named=True)
    assert [str(results[period + 1].flat()) for results in exact] == [str(walked)] * 2  # by their repr, nan is nan


def test_a_plain_incremental_model_is_scored_as_in_the_walk(asmg: Asmg, stream: Path, tmp_path: Path) -> None:
    given: list[object] = ["--config", stream / "config.yaml", "--data.root", stream]
    given += ["--trainer.default_root_dir", tmp_path, "--model", "IncrementalUpdate"]
    given += ["--model.pretrain_periods", 4, "--model.pretrain_epochs", 1, "--model.test_from", 10]
    assert asmg("fit", *given, "--loop.until", 9).code == 0
    tested = asmg("test", *given, "--ckpt_path", "last")
    assert asmg("fit", *given, "--loop.until", 10, "--ckpt_path", "last").code == 0
    assert rows_shown(tested)[0] == expected((tmp_path, tested), 10)
    assert len(rows_shown(tested)) == 4


def test_all_later_periods_are_tested(evaluate: Asmg) -> None:
    finished = evaluate("test", 9)
    assert [row[0] for row in rows_shown(finished)] == ["10", "11", "12", "13"]
    assert "mean over 4 periods" in finished.out


def test_periods_may_be_chosen_and_those_seen_in_training_are_marked(evaluate: Asmg) -> None:
    rows = rows_shown(evaluate("test", 8, "--data.evaluate", "[3, 12]"))
    assert [row[:2] for row in rows] == [["3", "seen"], ["12", "test"]]


def test_a_period_outside_the_stream_is_refused(evaluate: Asmg) -> None:
    finished = evaluate("test", 8, "--data.evaluate", "[14]")
    assert finished.code == 2
    assert "period 14 is not among the stream's 1..13" in finished.err


def test_after_the_last_period_there_is_nothing_to_test(evaluate: Asmg) -> None:
    finished = evaluate("test", 13)
    assert finished.code == 2
    assert "no later period to score" in finished.err


def test_an_evaluation_leaves_no_file(evaluate: Asmg, tmp_path: Path) -> None:
    evaluate("test", 8)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data.evaluate", "[]"], ["data.evaluate is empty"]),
        (["--trainer.limit_test_batches", 3], ["trainer.limit_test_batches must be 1.0", "--data.evaluate"]),
        (["--trainer.fast_dev_run", "true"], ["trainer.fast_dev_run must be False"]),
    ],
)
def test_what_would_score_less_than_whole_periods_is_refused(
    evaluate: Asmg, arguments: list[object], words: list[str]
) -> None:
    finished = evaluate("test", 8, *arguments)
    assert finished.code == 2
    for word in words:
        assert word in finished.err


@pytest.mark.parametrize("subcommand", ["validate", "test"])
def test_there_must_be_a_checkpoint(asmg: Asmg, stream: Path, subcommand: str) -> None:
    finished = asmg(subcommand, "--config", stream / "config.yaml", "--data.root", stream)
    assert finished.code == 2
    assert "--ckpt_path" in finished.err
