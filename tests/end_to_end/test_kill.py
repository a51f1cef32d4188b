"""A walk that is killed and resumed ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from end_to_end.program import Asmg, Finished, command, environment, last_checkpoint, metrics


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
    for part in ("state_dict", "optimizer_states", "PeriodDataModule", "results", "best_pretraining_epoch"):
        found, expected = leaves(one[part]), leaves(two[part])
        assert found.keys() == expected.keys()
        for path, value in expected.items():
            same = torch.equal(found[path], value) if isinstance(value, torch.Tensor) else found[path] == value
            assert same, path


def kill_when(there: Path, arguments: list[object], log: Path) -> None:
    """Start a walk and kill it as soon as a file is there."""
    with log.open("w") as output:
        process = subprocess.Popen(command(*arguments), stdout=output, stderr=output, env=environment())
        deadline = time.monotonic() + 120
        while not there.exists():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, f"{there} did not appear"
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the walk had ended before it was killed"


@pytest.mark.parametrize(
    "killed_after",
    ["period-000009-phase-001-generate", "period-000009-phase-000-score", "period-000004-phase-001-select"],
)
def test_a_killed_walk_goes_on_with_bit_equal_results(
    walk: tuple[Path, Finished], stream: Path, fit: Asmg, tmp_path: Path, killed_after: str
) -> None:
    folder = tmp_path / "run"
    given = ["--config", stream / "config.yaml", "--data.root", stream, "--trainer.default_root_dir", folder]
    checkpoint = folder / "checkpoints" / f"{killed_after}.ckpt"
    kill_when(checkpoint, ["fit", *given], tmp_path / "log.txt")
    assert not (folder / "metrics.csv").exists() or metrics(folder) != metrics(walk[0])

    resumed = fit(folder, "--ckpt_path", "last")
    assert resumed.code == 0, resumed.err
    assert metrics(folder) == metrics(walk[0])
    assert_bit_equal(last_checkpoint(folder), last_checkpoint(walk[0]))
    assert not list(folder.rglob("*.partial"))
