"""Serving packages from the command line: what a walk and ``asmg export`` write, what is kept, and the way back."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from end_to_end.program import Asmg, last_checkpoint

from asmg_pl.callbacks import ServingExport
from asmg_pl.checkpoints.io import read_checkpoint
from asmg_pl.errors import ConfigError
from asmg_pl.serving import Store, open_package


def store(folder: Path) -> Store:
    return Store(folder / "serving")


@pytest.fixture
def run(walk: tuple[Path, object], tmp_path: Path, asmg: Asmg) -> Path:
    """A run with a checkpoint of the end of each period, and packages of the periods 7 and 8."""
    shutil.copytree(walk[0], tmp_path / "run")
    for period in (7, 8):
        done = asmg("export", tmp_path / "run", "--period", period)
        assert done.code == 0, done.err
    return tmp_path / "run"


def test_the_newest_package_holds_the_model_that_serves_next_and_an_export_is_the_same(
    fit: Asmg, asmg: Asmg, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    finished = fit(run, "--export.keep", 2, "--checkpoint.keep", -1, "--loop.until", 8)
    assert finished.code == 0, finished.err
    assert store(run).versions() == ["after-period-000007", "after-period-000008"]
    assert store(run).current() == "after-period-000008"
    state = read_checkpoint(last_checkpoint(run))["state_dict"]
    package = open_package(store(run).path())
    for name, values in state.items():
        if name.startswith("generated."):
            path = name.removeprefix("generated.")
            written, known = package.array(f"parameters/serving/{path}"), len(values)
            if path.startswith("tables."):
                known = len(written) - 1
                mean = values[:known].double().mean(0).numpy()
                np.testing.assert_allclose(written[-1], mean, atol=1e-6)
            np.testing.assert_array_equal(written[:known], values[:known].numpy())
    done = asmg("export", run, "--period", 7, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    assert done.out == f"{tmp_path / 'out' / 'after-period-000007'} serves now\n"
    ours, theirs = (open_package(each.path("after-period-000007")) for each in (Store(tmp_path / "out"), store(run)))
    assert ours.manifest.same_model(theirs.manifest)
    again = asmg("export", run)
    assert again.out == f"{store(run).folder / 'after-period-000008'} serves now\n"
    assert store(run).versions() == ["after-period-000007", "after-period-000008"], "the same package is not added"
    earlier = next((run / "checkpoints").glob("period-000006-*"))
    fit(run, "--export.keep", -1, "--loop.until", 7, "--ckpt_path", earlier)
    assert store(run).versions() == ["after-period-000007"], "a walk that goes back leaves no later package"
    assert store(run).current() == "after-period-000007"


def test_an_earlier_package_does_not_serve_by_itself(run: Path, asmg: Asmg) -> None:
    earlier = asmg("export", run, "--period", 5)
    assert "goes on serving" in earlier.out
    assert store(run).current() == "after-period-000008"
    assert store(run).versions()[0] == "after-period-000005"
    asmg("export", run, "--keep", 1)
    assert store(run).versions() == ["after-period-000013"]


def test_a_rollback_is_one_command_and_so_is_the_way_forward(run: Path, asmg: Asmg) -> None:
    assert asmg("rollback", run).out.startswith(f"{store(run).folder / 'after-period-000007'} serves now")
    assert store(run).current() == "after-period-000007"
    refused = asmg("rollback", run)
    assert refused.code == 2
    assert "cannot go back by 1" in refused.err
    asmg("rollback", store(run).folder, "--to", "after-period-000008")
    assert store(run).current() == "after-period-000008"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export", "nowhere"], ["nowhere has no checkpoint"]),
        (["export", "run", "--period", 99], ["no checkpoint of the end of period 99", "4, 5, 6, 7, 8, 9"]),
        (["export", "run", "--keep", 0], ["--keep must be at least 1"]),
        (["rollback", "nowhere"], ["nowhere has no serving packages", "asmg export"]),
        (["rollback", "run", "--to", "no"], ["has no version 'no'", "after-period-000007, after-period-000008"]),
        (["rollback", "run", "--steps", 0], ["cannot go back by 0"]),
    ],
)
def test_what_cannot_be_done_is_one_message(
    arguments: list[object], words: list[str], run: Path, asmg: Asmg, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.parent)
    done = asmg(*arguments)
    assert done.code == 2
    assert all(word in done.err for word in words), done.err
    assert "Traceback" not in done.err


def test_a_run_whose_stream_has_gone_is_said(run: Path, asmg: Asmg, tmp_path: Path) -> None:
    done = asmg("export", run, "--root", tmp_path / "gone")
    assert done.code == 2
    assert "gone" in done.err
    assert store(run).current() == "after-period-000008"


def test_by_default_nothing_is_written(walk: tuple[Path, object]) -> None:
    assert not (walk[0] / "serving").exists()


def test_what_to_keep_is_checked() -> None:
    with pytest.raises(ConfigError, match=r"export\.keep"):
        ServingExport(-2)
