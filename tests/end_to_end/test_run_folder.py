"""Run folders through the command line: a full disk, two walks at once, plugins, and other machines."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from disks import disk_of
from end_to_end.program import Asmg, Finished, last_checkpoint, metrics

from asmg_pl.callbacks.ownership import Ownership


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk that has no room for three checkpoints of the walk."""
    with disk_of("2300k", tmp_path / "disk") as place:
        yield place


@pytest.mark.slow
def test_a_walk_on_a_full_disk_says_so_and_goes_on_when_there_is_room(
    walk: tuple[Path, Finished], fit: Asmg, small_disk: Path
) -> None:
    folder = small_disk / "run"
    stopped = fit(folder)
    assert stopped.code == 2
    assert "could not be written (No space left on device)" in stopped.err
    assert f"The walk is kept up to {last_checkpoint(folder).name}: go on with --ckpt_path last" in stopped.err
    assert "Traceback" not in stopped.err
    assert not list(folder.rglob("*.partial"))
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert fit(folder, "--ckpt_path", "last").code == 0
    assert metrics(folder) == metrics(walk[0])


def test_a_second_walk_in_a_folder_is_told_who_is_there(fit: Asmg, tmp_path: Path) -> None:
    running = Ownership(tmp_path)
    running.take()
    for more in ([], ["--ckpt_path", "last"], ["--checkpoint.overwrite", "true"]):
        refused = fit(tmp_path, *more)
        assert refused.code == 2
        assert f"is walked in by another program, process {os.getpid()} on" in refused.err
    running.release()
    assert not (tmp_path / "metrics.csv").exists()


SLURM = "lightning.pytorch.plugins.environments.SLURMEnvironment"
ASYNC = "lightning.pytorch.plugins.io.AsyncCheckpointIO"
PLAIN = "lightning.pytorch.plugins.io.TorchCheckpointIO"


@pytest.mark.slow
@pytest.mark.parametrize(
    "plugins",
    [
        ["--trainer.plugins", SLURM, "--trainer.plugins.auto_requeue", "false"],
        [f"--trainer.plugins+={SLURM}", "--trainer.plugins.auto_requeue", "false"],
        ["--trainer.plugins", f"[{{class_path: {SLURM}, init_args: {{auto_requeue: false}}}}]"],
        ["--trainer.plugins", PLAIN],
        ["--trainer.plugins", "asmg_pl.checkpoints.io.AtomicCheckpointIO"],
        ["--trainer.plugins", "null"],
    ],
)
def test_whatever_plugins_are_given_checkpoints_are_the_programs_own(
    fit: Asmg, tmp_path: Path, plugins: list[str]
) -> None:
    finished = fit(tmp_path, *plugins, "--loop.until", 5)
    assert finished.code == 0, finished.err
    assert fit(tmp_path, *plugins, "--loop.until", 6, "--ckpt_path", "last").code == 0
    assert last_checkpoint(tmp_path).name.startswith("period-000006")


def test_a_plugin_that_writes_checkpoints_is_refused(fit: Asmg, tmp_path: Path) -> None:
    finished = fit(tmp_path, "--trainer.plugins", ASYNC)
    assert finished.code == 2
    assert "trainer.plugins has AsyncCheckpointIO" in finished.err
    assert not (tmp_path / "checkpoints").exists()


@pytest.fixture
def started(walk: tuple[Path, Finished], tmp_path: Path) -> Path:
    """A run folder that holds the end of a walk."""
    folder = tmp_path / "run"
    shutil.copytree(walk[0], folder)
    for path in sorted((folder / "checkpoints").iterdir())[5:]:
        path.unlink()
    return folder


@pytest.mark.parametrize("plugin", [False, True])
def test_another_precision_is_refused_however_it_is_given(started: Path, fit: Asmg, plugin: bool) -> None:
    before = (started / "config.yaml").read_bytes()
    mixed = "lightning.pytorch.plugins.precision.MixedPrecision"
    given = ["--trainer.plugins", mixed, "--trainer.plugins.precision", "bf16-mixed", "--trainer.plugins.device", "cpu"]
    finished = fit(started, "--ckpt_path", "last", *(given if plugin else ["--trainer.precision", "bf16-mixed"]))
    assert finished.code == 2
    assert "trainer.precision was 32-true and is now bf16-mixed" in finished.err
    assert (started / "config.yaml").read_bytes() == before


def test_what_changes_no_number_may_change(walk: tuple[Path, Finished], started: Path, fit: Asmg) -> None:
    free = ["--data.device_rows", 50, "--model.init_args.compile_generator", "false", "--trainer.precision", 32]
    finished = fit(started, "--ckpt_path", "last", *free, "--loop.until", 10)
    assert finished.code == 0, finished.err
    assert yaml.safe_load((started / "config.yaml").read_text())["data"]["device_rows"] == 50


def test_another_machine_is_said_in_one_line(started: Path, fit: Asmg) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 2)
    try:
        finished = fit(started, "--ckpt_path", "last", "--loop.until", 10)
    finally:
        torch.set_num_threads(threads)
    assert finished.code == 0
    assert f"written with other threads {threads} (now {threads + 2}): rounding differs" in finished.err
    assert "rounding differs" not in fit(started, "--ckpt_path", "last", "--loop.until", 11).err.replace(
        f"threads {threads + 2} (now {threads}): rounding differs", ""
    )


@pytest.mark.parametrize("place", ["a file", "a file in the way"])
def test_a_run_folder_that_cannot_be_one_is_refused(fit: Asmg, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" if place == "a file" else tmp_path / "file" / "run"
    finished = fit(folder)
    assert finished.code == 2
    assert f"{folder} cannot be the run folder" in finished.err
    assert "Traceback" not in finished.err


def test_checkpoints_that_are_a_file_are_refused(fit: Asmg, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").touch()
    finished = fit(tmp_path)
    assert finished.code == 2
    assert "checkpoints is no folder" in finished.err
