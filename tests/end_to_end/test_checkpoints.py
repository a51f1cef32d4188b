"""Resuming from files and settings that do not fit: one message, exit status 2, nothing lost."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import polars.testing
import pytest
import torch
from end_to_end.program import Asmg, Finished, last_checkpoint, metrics, ratings

from asmg_pl.checkpoints.io import newest_first


@pytest.fixture
def started(walk: tuple[Path, Finished], tmp_path: Path) -> Path:
    """A run folder whose walk has come to period 8, with the checkpoints of periods 4 to 8."""
    folder = tmp_path / "run"
    shutil.copytree(walk[0], folder)
    for path in newest_first(folder / "checkpoints"):
        if path.name > "period-000009":
            path.unlink()
    return folder


def assert_refused(finished: Finished, *words: object) -> None:
    assert finished.code == 2
    assert "Traceback" not in finished.err
    assert len(finished.err.splitlines()) <= 3
    for word in words:
        assert str(word) in finished.err


def test_a_truncated_checkpoint_is_refused_and_the_one_before_it_named(
    walk: tuple[Path, Finished], started: Path, fit: Asmg
) -> None:
    newest, previous = newest_first(started / "checkpoints")[:2]
    os.truncate(newest, newest.stat().st_size // 2)
    before = metrics(started)
    assert_refused(fit(started, "--ckpt_path", "last"), newest, "damaged", f"the previous one is {previous}")
    assert metrics(started) == before

    assert fit(started, "--ckpt_path", previous, "--checkpoint.keep", -1).code == 0
    assert metrics(started) == metrics(walk[0])


def test_a_single_changed_bit_is_noticed(started: Path, fit: Asmg) -> None:
    newest, previous = newest_first(started / "checkpoints")[:2]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    assert_refused(fit(started, "--ckpt_path", "last"), newest, "damaged", f"the previous one is {previous}")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04"])
def test_a_file_that_is_no_checkpoint_is_refused(fit: Asmg, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.ckpt"
    path.write_bytes(content)
    assert_refused(fit(tmp_path / "run", "--ckpt_path", path), path, "no checkpoint of this program")


class Intruder:
    """What a pickle would run."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


def save_plain(value: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(value, protocol=2))


@pytest.mark.parametrize(
    ("save", "load"),
    [
        (torch.save, lambda path: torch.load(path, weights_only=False)),
        (save_plain, lambda path: pickle.loads(path.read_bytes())),
    ],
    ids=["torch", "plain pickle"],
)
def test_reading_a_checkpoint_runs_no_code(
    fit: Asmg, tmp_path: Path, save: Callable[[Any, Path], None], load: Callable[[Path], Any]
) -> None:
    path, target = tmp_path / "evil.ckpt", tmp_path / "touched"
    save({"results": {}, "state_dict": Intruder(target)}, path)
    assert_refused(fit(tmp_path / "run", "--ckpt_path", path), path)
    assert not target.exists()
    load(path)
    assert target.exists(), "the file would have run code"


def test_a_file_of_another_program_is_refused(fit: Asmg, tmp_path: Path) -> None:
    path = tmp_path / "other.ckpt"
    torch.save({"results": {}, "state_dict": {}}, path)
    assert_refused(fit(tmp_path / "run", "--ckpt_path", path), path, "not written by a walk")


def test_settings_that_change_no_result_may_change(walk: tuple[Path, Finished], started: Path, fit: Asmg) -> None:
    free = ("--data.scoring_batch_size", 17, "--model.init_args.chunk_rows", 7, "--checkpoint.keep", 1)
    assert fit(started, "--ckpt_path", "last", *free).code == 0
    found, expected = (pl.read_csv(folder / "metrics.csv") for folder in (started, walk[0]))
    polars.testing.assert_frame_equal(found, expected, rel_tol=1e-5)


def test_a_missing_checkpoint_is_named(fit: Asmg, tmp_path: Path) -> None:
    assert_refused(fit(tmp_path, "--ckpt_path", tmp_path / "nowhere.ckpt"), "nowhere.ckpt", "last")


def test_last_means_the_beginning_where_there_is_no_checkpoint(fit: Asmg, tmp_path: Path) -> None:
    finished = fit(tmp_path, "--ckpt_path", "last", "--loop.until", 5)
    assert finished.code == 0
    assert "starts at the beginning" in finished.out
    assert (tmp_path / "metrics.csv").exists()


def test_without_a_checkpoint_there_is_nothing_to_test(asmg: Asmg, stream: Path, tmp_path: Path) -> None:
    given = ("--config", stream / "config.yaml", "--data.root", stream, "--trainer.default_root_dir", tmp_path)
    assert_refused(asmg("test", *given, "--ckpt_path", "last"), "no checkpoint", "asmg fit")


def test_a_damaged_checkpoint_is_not_tested_either(started: Path, asmg: Asmg, stream: Path) -> None:
    newest, previous = newest_first(started / "checkpoints")[:2]
    os.truncate(newest, newest.stat().st_size // 2)
    given = ("--config", stream / "config.yaml", "--data.root", stream, "--trainer.default_root_dir", started)
    finished = asmg("test", *given, "--ckpt_path", "last")
    assert_refused(finished, newest, f"the previous one is {previous}")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seed_everything", 5], ["seed 1234", "--seed_everything 1234"]),
        (["--model.init_args.generator.init_args.hidden_size", 3], ["has shape", "config.yaml"]),
        (
            ["--model.init_args.recommender", "EmbeddingMLP", "--model.init_args.recommender.embedding_dim", 4],
            ["has shape", "config.yaml"],
        ),
        (["--model.init_args.window", 3], ["has shape", "config.yaml"]),
        (["--model.init_args.generator", "GRUGenerator"], ["no generator.", "wrote the checkpoint"]),
        (["--model", "IncrementalUpdate", "--model.pretrain_periods", 4], ["no generated.", "wrote the checkpoint"]),
        (["--data.source.init_args.positive_from", 2.0], ["other rows"]),
        (["--model.init_args.learning_rate", 0.5], ["model.init_args.learning_rate was None and is now 0.5"]),
        (
            ["--data.batch_size", 8, "--data.periods.init_args.count", 20],
            ["data.batch_size was 64 and is now 8", "data.periods.init_args.count was 13 and is now 20", "config.yaml"],
        ),
    ],
)
def test_other_settings_than_the_checkpoints_are_refused(
    started: Path, fit: Asmg, arguments: list[object], words: list[str]
) -> None:
    before = {path: path.read_bytes() for path in started.rglob("*") if path.is_file()}
    assert_refused(fit(started, "--ckpt_path", "last", *arguments), *words)
    assert {path: path.read_bytes() for path in started.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "rows",
    [
        ratings(seed=1),
        ratings().with_columns(pl.col("rating").reverse()),
        ratings().with_columns(movieId=pl.when(pl.int_range(pl.len()) == 0).then(5).otherwise(pl.col("movieId"))),
        ratings().slice(1),
        ratings().head(1500),
    ],
    ids=["another seed", "ratings reversed", "first item changed", "first row missing", "cut short"],
)
def test_another_stream_is_refused(started: Path, fit: Asmg, stream: Path, tmp_path: Path, rows: pl.DataFrame) -> None:
    other = tmp_path / "other"
    shutil.copytree(stream, other)
    rows.write_csv(other / "ratings.csv")
    before = metrics(started)
    assert_refused(fit(started, "--ckpt_path", "last", root=other), "other rows", other)
    assert metrics(started) == before


def test_other_categories_are_refused(started: Path, fit: Asmg, stream: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(stream, other)
    text = (other / "movies.csv").read_text()
    (other / "movies.csv").write_text(text.replace("Action", "Action|Western", 1))
    assert_refused(fit(started, "--ckpt_path", "last", root=other), "other rows", other)


def test_a_walk_that_is_through_has_nothing_to_do(walk: tuple[Path, Finished], fit: Asmg, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(walk[0], folder)
    finished = fit(folder, "--ckpt_path", "last")
    assert finished.code == 0
    assert "nothing new" in finished.out
    assert metrics(folder) == metrics(walk[0])
    assert last_checkpoint(folder).read_bytes() == last_checkpoint(walk[0]).read_bytes()
