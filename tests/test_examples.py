"""The example scripts of the documentation run to their end in any folder, and say what they promise."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "examples"
SAYS = {
    "quick_start": "the same numbers: True",
    "own_data": "the same numbers: True",
    "own_recommender": "serving auc",
    "own_updater": "<Walk of Averaged: periods 4 to 12 scored",
    "serving": "swapped: True after-period-000008 -> after-period-000009",
    "comparing": "asmg",
    "ray_train": "a worker was lost: True\nthe same scores: True",
}
SLOW = {"quick_start", "own_updater", "comparing", "ray_train"}
PAGES = {"ray_train": "cluster.md"}  # the others are on the page of examples


def test_there_are_no_others() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == SAYS.keys()


@pytest.mark.slow
def test_a_walk_under_ray_train_goes_on_from_its_last_checkpoint_when_a_worker_is_lost() -> None:
    own = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # on 127.0.0.1
    own |= {"RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0"}  # an actor more to wait for at each start
    environ = os.environ | own | {"OMP_NUM_THREADS": "1", "RAY_ADDRESS": "local"}  # whatever cluster there is
    called = [sys.executable, str(FOLDER / "ray_train.py")]
    done = subprocess.run(called, env=environ, capture_output=True, text=True, check=False)
    assert SAYS["ray_train"] in done.stdout, done.stdout + done.stderr
    said = {line for line in (done.stdout + done.stderr).splitlines() if "pre-trained on periods" in line}
    assert len(said) == 1  # the second start did not begin again


IN_THIS_PROCESS = [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in SAYS if n not in PAGES]


@pytest.mark.parametrize("name", IN_THIS_PROCESS)
def test_it_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    assert SAYS[name] in capsys.readouterr().out


@pytest.mark.parametrize("name", SAYS)
def test_the_site_shows_it(name: str) -> None:
    assert f'--8<-- "docs/examples/{name}.py"' in (FOLDER.parent / PAGES.get(name, "examples.md")).read_text()
