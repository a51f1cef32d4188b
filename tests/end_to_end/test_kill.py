"""A walk that is killed and resumed ends as if nothing had happened."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from end_to_end.program import Asmg, Finished, command, environment, last_checkpoint, metrics
from patience import PATIENCE
from slowness import slow_but


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """All values of a nested structure by their path."""
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() for k, v in leaves(inner, f"{path}/{key}").items()}
    if isinstance(value, (list, tuple)):
        return {k: v for i, inner in enumerate(value) for k, v in leaves(inner, f"{path}/{i}").items()}
    return {path: value}


def assert_bit_equal(first: Path, second: Path) -> None:
    """Everything that a checkpoint holds of models, optimisers, place and scores is the same."""
    one, two = (torch.load(path, weights_only=True) for path in (first, second))
    for part in ("state_dict", "optimizer_states", "PeriodDataModule", "results", "learned", "best_pretraining_epoch"):
        found, expected = leaves(one[part]), leaves(two[part])
        assert found.keys() == expected.keys()
        for path, value in expected.items():
            if isinstance(value, torch.Tensor):
                assert torch.equal(found[path], value), path
            else:
                assert repr(found[path]) == repr(value), path  # by their repr, nan is nan
    assert sum(isinstance(value, torch.Tensor) for value in leaves(two).values()) > 50


def kill_at(place: dict[str, Any], arguments: list[object], folder: Path) -> None:
    """Start a walk, wait until it stands still at a place, and kill it there."""
    sign, config, log = folder / "sign", folder / "stand_still.yaml", folder / "log.txt"
    halt = {"class_path": "end_to_end.stand_still.StandStill", "init_args": {"sign": str(sign), **place}}
    config.write_text(yaml.safe_dump({"trainer": {"callbacks": [halt]}}))
    paths = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    with log.open("w") as output:
        environ = environment() | {"PYTHONPATH": paths}
        called = command("fit", *arguments, "--config", config)
        process = subprocess.Popen(called, stdout=output, stderr=output, env=environ)
    try:
        deadline = time.monotonic() + PATIENCE
        while not sign.exists():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, f"the walk did not get to {place}"
            time.sleep(0.01)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL, "the walk had ended before it was killed"


#: Where a walk is killed, the checkpoint that it leaves, and the file that is only half written.
CASES: list[Any] = [
    ({"period": 4, "phase": "pretrain", "repeat": 1, "batch": 5}, "period-000004-phase-001-select", []),
    ({"period": 9, "phase": "generate", "batch": 1}, "period-000009-phase-000-score", []),
    (
        {"period": 9, "phase": "update"},
        "period-000009-phase-001-generate",
        ["period-000009-phase-002-update.ckpt.partial"],
    ),
    ({"period": 9, "phase": "score", "file": "metrics.csv"}, "period-000008-phase-002-update", []),
    (
        {"period": 4, "phase": "pretrain", "file": "walk.json"},
        "period-000004-phase-000-pretrain",
        ["walk.json.partial"],
    ),
]


@pytest.mark.parametrize(
    ("place", "saved", "half_written"),
    slow_but([CASES[0]], CASES),
    ids=[
        *("in pre-training", "between two steps of the generator", "while a checkpoint is written"),
        *(
            "between a row and its checkpoint",
            "between the first checkpoint and the walk's identity",
        ),
    ],
)
def test_a_killed_walk_goes_on_with_bit_equal_results(
    walk: tuple[Path, Finished],
    stream: Path,
    fit: Asmg,
    tmp_path: Path,
    place: dict[str, Any],
    saved: str,
    half_written: list[str],
) -> None:
    folder = tmp_path / "run"
    given = ["--config", stream / "config.yaml", "--data.root", stream, "--trainer.default_root_dir", folder]
    kill_at(place, list(given), tmp_path)
    assert last_checkpoint(folder).stem == saved
    assert [path.name for path in folder.rglob("*.partial")] == half_written
    assert not (folder / "auc.png").exists()

    resumed = fit(folder, "--ckpt_path", "last")
    assert resumed.code == 0, resumed.err
    assert metrics(folder) == metrics(walk[0])
    assert (folder / "learned.csv").read_bytes() == (walk[0] / "learned.csv").read_bytes()
    assert_bit_equal(last_checkpoint(folder), last_checkpoint(walk[0]))
    assert not list(folder.rglob("*.partial"))


@pytest.mark.slow
def test_a_walk_that_is_asked_to_terminate_does_not_pass_for_finished(
    walk: tuple[Path, Finished], stream: Path, fit: Asmg, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    given = ["--config", stream / "config.yaml", "--data.root", stream, "--trainer.default_root_dir", folder]
    process = subprocess.Popen(
        command("fit", *given), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(), text=True
    )
    deadline = time.monotonic() + PATIENCE
    # A checkpoint is there for a moment only, since the newest few are kept.
    while not any(path.name > "period-000006" for path in (folder / "checkpoints").glob("period-*.ckpt")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.terminate()
    said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 128 + signal.SIGTERM
    (told,) = (line for line in said.splitlines() if line.startswith("asmg: stopped by SIGTERM: "))
    assert told.endswith(f"go on with python -m asmg_pl fit {shlex.join(map(str, given))} --ckpt_path last")
    assert "Traceback" not in said
    assert metrics(folder) != metrics(walk[0])

    assert fit(folder, "--ckpt_path", "last").code == 0
    assert metrics(folder) == metrics(walk[0])


@pytest.mark.slow
def test_a_walk_that_runs_out_of_time_within_a_phase_keeps_only_what_was_whole(
    walk: tuple[Path, Finished], fit: Asmg, tmp_path: Path
) -> None:
    long = ("--data.batch_size", 1, "--model.init_args.passes", 40)  # the first update takes seconds on any machine
    stopped = fit(tmp_path, "--trainer.max_time", "00:00:00:01", *long)
    assert stopped.code == 2
    assert "by trainer.max_time" in stopped.err
    assert "--ckpt_path last" in stopped.err
    checkpoints = sorted(path.name for path in (tmp_path / "checkpoints").glob("*.ckpt"))
    resumed = fit(tmp_path, "--ckpt_path", "last", *long, "--loop.until", 5)
    assert resumed.code == 0, resumed.err
    whole = tmp_path / "whole"
    assert fit(whole, *long, "--loop.until", 5).code == 0
    assert metrics(tmp_path) == metrics(whole)
    assert all(name < last_checkpoint(whole).name for name in checkpoints)
