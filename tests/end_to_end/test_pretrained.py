"""Walks that share one pre-training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from end_to_end.program import PERIODS, Asmg, Finished, last_checkpoint, metrics, ratings

GIVEN = "--model.init_args.pretrained_model"


@pytest.fixture
def pretrained(fit: Asmg, tmp_path: Path) -> Path:
    """A checkpoint made just after pre-training, by another method than those that start from it."""
    options = ("--model.init_args.pretrain_periods", 4, "--model.init_args.pretrain_epochs", 2)
    method = ("--model", "asmg_pl.updaters.IncrementalUpdate", *options, "--model.init_args.test_from", 10)
    folder = tmp_path / "pretraining"
    assert fit(folder, *method, "--loop.until", 4).code == 0
    return last_checkpoint(folder)


def test_a_walk_from_a_pretrained_model_scores_as_one_that_pretrains_itself(
    walk: tuple[Path, Finished], pretrained: Path, fit: Asmg, tmp_path: Path
) -> None:
    assert fit(tmp_path / "run", GIVEN, pretrained).code == 0
    assert metrics(tmp_path / "run") == metrics(walk[0])
    assert "pretrain" not in pl.read_csv(tmp_path / "run" / "timings.csv")["phase"].to_list()


@pytest.mark.slow
def test_it_can_be_resumed(walk: tuple[Path, Finished], pretrained: Path, fit: Asmg, tmp_path: Path) -> None:
    assert fit(tmp_path / "run", GIVEN, pretrained, "--loop.until", 8).code == 0
    pretrained.unlink()
    assert fit(tmp_path / "run", GIVEN, pretrained, "--ckpt_path", "last").code == 0
    assert metrics(tmp_path / "run") == metrics(walk[0])


def test_the_settings_of_the_updates_are_this_walks_own(pretrained: Path, fit: Asmg, tmp_path: Path) -> None:
    bold = ("--model.init_args.learning_rate", 0.1, "--data.batch_size", 32, "--loop.until", 6)
    for name in ("one", "other"):
        assert fit(tmp_path / name, GIVEN, pretrained, *(bold if name == "other" else ("--loop.until", 6))).code == 0
    one, other = (pl.read_csv(tmp_path / name / "metrics.csv") for name in ("one", "other"))
    assert one["incremental_auc"][0] == other["incremental_auc"][0]
    assert abs(one["incremental_logloss"][1] - other["incremental_logloss"][1]) > 0.05


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--model.init_args.pretrain_periods", 3), "not the end of a pre-training on periods 1 to 3"),
        (("--data.periods.init_args.count", PERIODS + 1), "periods that end elsewhere"),
        (("--model.init_args.recommender", "asmg_pl.recommenders.TwoTower"), "the checkpoint has no bias"),
        (("--seed_everything", 5), None),
    ],
)
def test_it_must_fit(
    pretrained: Path, fit: Asmg, tmp_path: Path, options: tuple[object, ...], words: str | None
) -> None:
    finished = fit(tmp_path / "run", GIVEN, pretrained, *options, "--loop.until", 5)
    assert finished.code == (2 if words else 0)
    assert "Traceback" not in finished.err
    assert words is None or words in finished.err


def test_a_model_that_has_seen_later_periods_is_refused(walk: tuple[Path, Finished], fit: Asmg, tmp_path: Path) -> None:
    finished = fit(tmp_path / "run", GIVEN, last_checkpoint(walk[0]))
    assert finished.code == 2
    assert "not the end of a pre-training on periods 1 to 4" in finished.err


def test_another_stream_is_refused(
    pretrained: Path, fit: Asmg, tmp_path: Path, write_stream: Callable[..., Path], stream: Path
) -> None:
    other = write_stream(ratings(seed=1), pl.read_csv(stream / "movies.csv"))
    finished = fit(tmp_path / "run", GIVEN, pretrained, root=other)
    assert finished.code == 2
    assert "other rows" in finished.err


@pytest.mark.slow
@pytest.mark.parametrize("phase", range(4))
def test_pretraining_with_its_own_learning_rate_can_be_resumed_anywhere(fit: Asmg, tmp_path: Path, phase: int) -> None:
    rate = ("--model.init_args.pretrain_learning_rate", 0.05, "--loop.until", 6)
    assert fit(tmp_path, *rate, "--checkpoint.keep", 100).code == 0
    whole = metrics(tmp_path)
    (begun,) = (tmp_path / "checkpoints").glob(f"period-000004-phase-00{phase}-*.ckpt")
    assert fit(tmp_path, *rate, "--ckpt_path", begun).code == 0
    assert metrics(tmp_path) == whole
