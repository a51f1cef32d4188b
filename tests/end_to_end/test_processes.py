"""Walks on several devices, each of which holds the whole model: the numbers are those of a single process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
import yaml
from distributed.ranks import asmg, on_ranks
from end_to_end.program import CONFIG, environment
from end_to_end.test_kill import leaves
from patience import PATIENCE
from ports import free_port
from slowness import slow_but

from asmg_pl.checkpoints.io import newest_first, read_checkpoint

#: Periods of 200 rows in mini-batches of 66: the tail has 2 rows, fewer than 4 processes. No two rows are alike, since
#: equal scores would be told apart by rounding, which depends on the number of rows that are scored together.
WALK = [
    *("--data.batch_size", 66, "--data.scoring_batch_size", 70, "--loop.until", 8),
    *("--model.pretrain_periods", 4, "--model.pretrain_epochs", 2, "--model.test_from", 7),
    *("--trainer.accelerator", "cpu", "--trainer.strategy", "ddp"),
]
#: A base model whose scores differ by more than rounding, though SML's transfer is hardly trained in so short a walk.
NARROW = ["--model.recommender", "MatrixFactorization", "--model.recommender.init_args.embedding_dim", 4]
ASKED: dict[str, list[object]] = {
    "IU": ["--model", "IncrementalUpdate"],
    "residual": ["--model", "ASMG", "--model.window", 1, "--model.generator_learning_rate", 1e-3],
    "IncCTR": ["--model", "IncCTR"],
    "SML": ["--model", "SML", "--model.learning_rate", 0.05, *NARROW],
}
METHODS = ASKED | {
    "by rows": ["--model", "IncrementalUpdate", "--model.row_wise", "true"],
    "clipped": ["--model", "IncrementalUpdate", "--model.gradient_clip", 0.05],
    "waiting": ["--model", "IncrementalUpdate", "--model.lazy_tables", "true", "--model.gradient_clip", 0.05],
    "row": ["--model", "ASMG", "--model.window", 1, "--model.generator", "RowGenerator", "--model.passes", 2],
    "EWC": ["--model", "EWC"],
    "SPMF": ["--model", "SPMF"],
    "lifetimes": [
        *("--model", "ASMG", "--model.window", 1, "--model.generator", "RowGenerator"),
        *("--data.lifetimes", "Lifetimes", "--data.lifetimes.admit_after", 3, "--data.lifetimes.expire_after", 1),
    ],
}


@dataclass(frozen=True)
class Walks:
    """Walks along one stream.

    Attributes:
        config: the file that describes the stream.
        folder: where those of a single process are kept.
    """

    config: Path
    folder: Path

    def arguments(self, folder: Path, ranks: int, method: str, *options: object) -> list[str]:
        """Those of a walk on so many devices."""
        asked = [*METHODS[method], *WALK, "--trainer.devices", ranks, "--trainer.default_root_dir", folder, *options]
        return ["fit", "--config", str(self.config), *map(str, asked)]

    def walk(self, folder: Path, ranks: int, method: str, *options: object) -> None:
        """Walk on so many devices."""
        for code, errors in on_ranks(ranks, asmg, *self.arguments(folder, ranks, method, *options)):
            assert code == 0, errors

    def alone(self, method: str) -> Path:
        """The run folder of a walk in a single process."""
        folder = self.folder / method
        if not folder.exists():
            self.walk(folder, 1, method)
        return folder


@pytest.fixture(scope="module")
def walks(stream: Path, tmp_path_factory: pytest.TempPathFactory) -> Walks:
    """Walks along the small stream in MovieLens format."""
    folder = tmp_path_factory.mktemp("processes")
    data = yaml.safe_load(CONFIG)["data"] | {"root": str(stream)}
    (folder / "data.yaml").write_text(yaml.safe_dump({"data": data}))
    return Walks(folder / "data.yaml", folder)


def assert_same(folder: Path, alone: Path) -> None:
    """Compare AUC and LogLoss of each period, and all parameters, moments, snapshots and states."""
    found, expected = (pl.read_csv(path / "metrics.csv") for path in (folder, alone))
    assert found.columns == expected.columns
    for name in found.columns:
        if name.endswith(("rows", "positives", "period")):
            assert found[name].equals(expected[name])
        elif name.endswith(("_auc", "_logloss")) and "gauc" not in name:
            assert found[name].to_list() == pytest.approx(expected[name].to_list(), abs=1e-5, nan_ok=True), name
    one, other = (read_checkpoint(newest_first(path / "checkpoints")[0]) for path in (folder, alone))
    compared = 0
    for part in ("state_dict", "optimizer_states"):
        tensors = leaves(one[part])
        for path, wanted in leaves(other[part]).items():
            if isinstance(wanted, torch.Tensor):
                assert torch.allclose(tensors[path], wanted, atol=1e-5, rtol=1e-5), path
                compared += 1
    assert compared > 10


WALKED = slow_but([("IU", 2)], [*((m, 2) for m in METHODS), *((m, 4) for m in [*ASKED, "by rows"])])


@pytest.mark.parametrize(("method", "ranks"), WALKED)
def test_a_walk_is_that_of_a_single_process(tmp_path: Path, walks: Walks, method: str, ranks: int) -> None:
    walks.walk(tmp_path, ranks, method)
    assert_same(tmp_path, walks.alone(method))


@pytest.mark.slow
def test_a_walk_goes_on_with_other_numbers_of_devices(tmp_path: Path, walks: Walks) -> None:
    walks.walk(tmp_path, 1, "residual", "--loop.until", 6)
    walks.walk(tmp_path, 2, "residual", "--loop.until", 7, "--ckpt_path", "last")
    walks.walk(tmp_path, 4, "residual", "--ckpt_path", "last")
    assert_same(tmp_path, walks.alone("residual"))


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_mini_batch_may_be_gone_over_in_parts(tmp_path: Path, walks: Walks, ranks: int) -> None:
    walks.walk(tmp_path, ranks, "residual", "--data.accumulate", 3)
    assert_same(tmp_path, walks.alone("residual"))


STRATEGIES = {
    "whole tables": ["--trainer.strategy=ddp"],
    "sharded tables": ["--trainer.strategy=asmg_pl.distributed.ShardedTables", "--trainer.strategy.min_rows=9"],
}


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_one_process_finds_stops_all_of_them_at_the_same_place(
    tmp_path: Path, walks: Walks, strategy: str
) -> None:
    asked = ["--model", "end_to_end.one_sided.OneSided", *WALK[:-2], *STRATEGIES[strategy]]
    given = ["--config", walks.config, *asked, "--trainer.devices", 2, "--trainer.default_root_dir", tmp_path]
    for code, errors in on_ranks(2, asmg, "fit", *given):
        assert code == 2
        assert "diverged in period 6 · update: NaN or infinite are the loss of mini-batch 1. Nothing" in errors
    newest = newest_first(tmp_path / "checkpoints")[0]
    assert newest.name.startswith("period-000006-phase-000-score")
    assert (tmp_path / "diverged.txt").exists()


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_parameters_that_are_not_finite_stop_all_processes(tmp_path: Path, walks: Walks, strategy: str) -> None:
    asked = [*METHODS["IU"], "--model.learning_rate", 1e30, *WALK[:-2], *STRATEGIES[strategy]]
    given = ["--config", walks.config, *asked, "--trainer.devices", 2, "--trainer.default_root_dir", tmp_path]
    for code, errors in on_ranks(2, asmg, "fit", *given):
        assert code == 2
        assert "diverged in epoch 1 of pre-training on periods 1 to 4 · pretrain" in errors


def run(*command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command that must end, with the callbacks of the tests at hand."""
    environ = with_tests() | {"MASTER_PORT": str(free_port())} | environ
    return subprocess.run(command, capture_output=True, text=True, env=environ, check=False, timeout=PATIENCE)


def with_tests() -> dict[str, str]:
    """The environment of a process that finds the callbacks."""
    paths = filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")])
    return environment() | {"PYTHONPATH": os.pathsep.join(paths)}


MODULE = [sys.executable, "-m", "asmg_pl"]


@pytest.mark.slow
def test_a_walk_is_launched_by_lightning_and_goes_on_under_torchrun(tmp_path: Path, walks: Walks) -> None:
    """By the program's name and as a module; what is shown and logged comes once."""
    called = walks.arguments(tmp_path / "run", 2, "residual", "--trainer.num_sanity_val_steps", 2)
    logged = ["--trainer.logger", "WandbLogger", "--trainer.logger.offline", "true"]
    logged += ["--trainer.logger.save_dir", str(tmp_path), "--loop.until", "6"]
    first = run(str(Path(sys.executable).parent / "asmg"), *called, *logged)
    assert first.returncode == 0, first.stderr
    rows = [line.split()[0] for line in first.stdout.splitlines() if {"selection", "warm-up"} & {*line.split()}]
    assert rows == ["5", "6"]
    assert first.stdout.count("pre-trained") == first.stdout.count("memory: ") == 1
    assert first.stderr.count("period 4/6:   0%") == 1
    assert "GLOBAL_RANK" not in first.stderr
    assert len([*(tmp_path / "wandb").glob("offline-run-*")]) == 1

    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "asmg_pl"]
    second = run(*torchrun, *called, "--ckpt_path", "last")
    assert second.returncode == 0, second.stderr
    assert second.stdout.count("mean over the test periods") == 1
    assert_same(tmp_path / "run", walks.alone("residual"))


# ---- failure


def dropping_out(folder: Path, walks: Walks, **place: Any) -> list[str]:
    """The arguments of a walk on two devices, one of which drops out."""
    config = folder / "drop_out.yaml"
    callback = {"class_path": "end_to_end.drop_out.DropOut", "init_args": place}
    config.write_text(yaml.safe_dump({"trainer": {"callbacks": [callback]}}))
    return walks.arguments(folder / "run", 2, "IU", "--config", config)


@pytest.mark.slow
@pytest.mark.parametrize("error", [False, True], ids=["killed", "failing"])
def test_the_others_say_that_a_process_has_dropped_out_and_the_walk_can_go_on(
    tmp_path: Path, walks: Walks, error: bool
) -> None:
    called = [*MODULE, *dropping_out(tmp_path, walks, rank=1, period=7, error=error)]
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "TORCHELASTIC_RUN_ID": "test"}
    where |= {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0"}
    with ThreadPoolExecutor() as threads:
        running = [threads.submit(run, *called, **where, RANK=rank, LOCAL_RANK=rank) for rank in "01"]
    first, second = (process.result() for process in running)
    assert (first.returncode, second.returncode) == (2, 1 if error else -signal.SIGKILL)
    assert "there is no answer from another process of the walk" in first.stderr
    assert "--ckpt_path last" in first.stderr
    assert "Traceback" not in first.stderr
    assert ("ZeroDivisionError: a bug on one device" in second.stderr) is error
    assert newest_first(tmp_path / "run" / "checkpoints")[0].stem == "period-000007-phase-000-score"

    walks.walk(tmp_path / "run", 2, "IU", "--ckpt_path", "last")
    assert_same(tmp_path / "run", walks.alone("IU"))


@pytest.mark.slow
def test_no_process_is_left_behind_when_the_first_one_is_killed(tmp_path: Path, walks: Walks) -> None:
    """All processes write to one pipe, which ends with the last of them."""
    done = run(*MODULE, *dropping_out(tmp_path, walks, rank=0, period=6))
    assert done.returncode == -signal.SIGKILL
    assert done.stderr.count("asmg: process 1: there is no answer from another process") == 1


@pytest.mark.slow
def test_what_is_wrong_on_all_devices_is_said_once(tmp_path: Path, walks: Walks) -> None:
    walks.walk(tmp_path, 1, "IU", "--loop.until", 5)
    refused = run(*MODULE, *walks.arguments(tmp_path, 2, "IU"))
    assert refused.returncode == 2
    assert refused.stderr.count("holds an earlier walk") == 1
    assert "Traceback" not in refused.stderr
