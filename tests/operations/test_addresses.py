"""A run, its stream and its store at addresses: what one machine has done, another one goes on with."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from buckets import S3
from end_to_end.program import environment
from operations.shop import SETTINGS, WALK, Shop

from asmg_pl.checkpoints.io import newest_first
from asmg_pl.convert import convert
from asmg_pl.data.stream import open_stream_at
from asmg_pl.serving import Live, load
from asmg_pl.serving.server import opened
from asmg_pl.storage import bucket
from asmg_pl.storage.copy import Copy
from asmg_pl.storage.remote import RemoteFolder
from asmg_pl.storage.work import worked_on

NewMachine = Callable[[], None]


@pytest.fixture
def new_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NewMachine:
    """Give the program a cache in which there is nothing, as on a machine that has just been set up."""
    caches = iter(range(10))
    return lambda: monkeypatch.setenv("ASMG_CACHE", str(tmp_path / f"machine-{next(caches)}"))


@pytest.fixture
def far(s3: S3, shop: Shop) -> tuple[str, str]:
    """The addresses of the shop's stream and run, which are also on this machine."""
    stream, run = f"{s3.address}/stream", f"{s3.address}/runs/shop"
    for here, address in ((shop.stream, stream), (shop.run, run)):
        with worked_on(address, new=True) as folder:
            shutil.copytree(here, folder)
            if address == run:
                config = folder / "config.yaml"
                config.write_text(config.read_text().replace(str(shop.stream), stream))
    return stream, run


def content(address: str) -> dict[str, Path]:
    """The files at an address, fetched, by path."""
    copy, _ = Copy.view(address)
    copy.fetch()
    return {path: copy.folder / path for path in copy.listing.files}


def weights(files: dict[str, Path]) -> dict[str, object]:
    newest = newest_first(files["metrics.csv"].parent / "checkpoints")[0]
    found = torch.load(newest, weights_only=True)["state_dict"]
    return {name: value.tolist() if isinstance(value, torch.Tensor) else value for name, value in found.items()}


def test_a_walk_there_is_the_walk_here_and_has_put_up_everything(s3: S3, shop: Shop) -> None:
    stream, run = f"{s3.address}/stream", f"{s3.address}/runs/walked"
    convert([shop.folder / "first.csv"], stream, SETTINGS)
    assert shop.call(*WALK, "--data.root", stream, "--trainer.default_root_dir", run) == 0
    files = content(run)
    assert files["metrics.csv"].read_bytes() == (shop.run / "metrics.csv").read_bytes()
    there = {path for path in files if not path.startswith("serving/")}
    here = {path.relative_to(shop.run).as_posix() for path in shop.run.rglob("*") if path.is_file()}
    assert there == {path for path in here if not path.startswith(".") and not path.startswith("serving/")}
    assert run in files["config.yaml"].read_text()
    newest = max(path for path in files if path.startswith("checkpoints/period-"))
    onward = ("--data.root", shop.stream, "--trainer.default_root_dir", shop.folder / "onward")
    assert shop.call(*WALK, *onward, "--ckpt_path", f"{run}/{newest}") == 0


def test_the_daily_job_goes_on_on_other_machines_and_the_scorer_reads_there(
    shop: Shop, far: tuple[str, str], new_machine: NewMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    stream, run = far
    for number in range(2):
        assert shop.update(shop.day(number)) == 0
        new_machine()
        capsys.readouterr()
        assert shop.call("update", run, shop.day(number)) == 0
        assert f"UTC {run}: published after-period-00000{7 + number}" in capsys.readouterr().out
        new_machine()
        if number == 0:
            live = Live(run)
            assert live.scorer.version == "after-period-000007"
    assert live.reload()
    assert live.scorer.version == "after-period-000008"
    files = content(run)
    assert files["metrics.csv"].read_bytes() == (shop.run / "metrics.csv").read_bytes()
    assert files["gate.csv"].read_bytes() == (shop.run / "gate.csv").read_bytes()
    assert (
        pl.read_csv(files["updates.csv"])
        .drop("at", "walk")
        .equals(pl.read_csv(shop.run / "updates.csv").drop("at", "walk"))
    )
    assert weights(files) == weights({"metrics.csv": shop.run / "metrics.csv"})
    here = load(shop.store).score("u1", [3, 5, 7])
    for address in (run, f"{run}/serving", f"{run}/serving/after-period-000008"):
        assert load(address).score("u1", [3, 5, 7]).scores.tolist() == here.scores.tolist()
    new_machine()
    assert shop.call("rollback", run) == 0
    assert f"{run}/serving/after-period-000007 serves now" in capsys.readouterr().out
    assert live.reload()
    assert live.scorer.version == "after-period-000007"
    assert shop.call("update", run) == 3  # what was taken back is not published again
    assert RemoteFolder(stream).newest().number == 3


@pytest.mark.slow
def test_a_killed_walk_goes_on_elsewhere_with_the_same_numbers(
    s3: S3, shop: Shop, far: tuple[str, str], new_machine: NewMachine, tmp_path: Path
) -> None:
    stream, run = f"{s3.address}/stream", f"{s3.address}/runs/killed"
    arguments = [*WALK, "--data.root", stream, "--trainer.default_root_dir", run, "--ckpt_path", "last"]
    (tmp_path / "dying.py").write_text(
        "import os\nfrom lightning.pytorch.callbacks import Callback\n"
        "class Dying(Callback):\n"
        "    def on_train_epoch_start(self, trainer, pl_module):\n"
        "        if pl_module.place.period == 5:\n            os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-m", "asmg_pl", *arguments, "--trainer.callbacks", "dying.Dying"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    new_machine()
    assert shop.call(*arguments) == 0
    assert content(run)["metrics.csv"].read_bytes() == content(far[1])["metrics.csv"].read_bytes()
    assert weights(content(run)) == weights(content(far[1]))


def test_faults_at_each_stage_change_nothing(s3: S3, shop: Shop, far: tuple[str, str], new_machine: NewMachine) -> None:
    assert shop.update(shop.day(0)) == 0
    s3.faults.failing = s3.faults.slowing = s3.faults.losing = s3.faults.cutting = 0.05
    new_machine()
    assert shop.call("update", far[1], shop.day(0)) == 0
    new_machine()
    scorer = load(far[1])
    files = content(far[1])
    assert {"500", "503", "cut"} <= {*s3.faults.done}
    s3.faults.mend()
    assert files["metrics.csv"].read_bytes() == (shop.run / "metrics.csv").read_bytes()
    assert weights(files) == weights({"metrics.csv": shop.run / "metrics.csv"})
    assert scorer.score("u1", [3, 5]).scores.tolist() == load(shop.store).score("u1", [3, 5]).scores.tolist()


def test_a_store_that_stays_down_is_one_message_and_the_walk_goes_on_here_later(
    s3: S3, shop: Shop, far: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream, run = far[0], f"{s3.address}/runs/down"
    monkeypatch.setattr(bucket, "PATIENCE", 0.3)
    real = RemoteFolder.publish

    def publish(self: RemoteFolder, *arguments: object) -> object:
        s3.faults.down = self.address == run and self.newest().number == 2
        return real(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(RemoteFolder, "publish", publish)
    arguments = [*WALK, "--data.root", stream, "--trainer.default_root_dir", run, "--ckpt_path", "last"]
    assert shop.call(*arguments) == 2
    message = capsys.readouterr().err
    assert message.count(f"{run}: ") == 2  # at the end, and when the walk has noted it
    assert "go on here with --ckpt_path last when the store answers" in message
    monkeypatch.setattr(RemoteFolder, "publish", real)
    s3.faults.mend()
    assert shop.call(*arguments) == 0
    assert content(run)["metrics.csv"].read_bytes() == content(far[1])["metrics.csv"].read_bytes()


def test_the_walk_that_began_later_has_the_run_and_the_other_one_is_told(
    s3: S3,
    shop: Shop,
    far: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = f"{s3.address}/runs/two"
    (tmp_path / "meeting.py").write_text(
        "from lightning.pytorch.callbacks import Callback\n"
        "from asmg_pl.storage.remote import RemoteFolder\n"
        "class Meeting(Callback):\n"
        "    def on_train_epoch_start(self, trainer, pl_module):\n"
        "        if pl_module.place.period == 4 and pl_module.place.phase == 0:\n"
        f"            remote = RemoteFolder({run!r})\n"
        "            remote.publish(remote.newest(), {}, remote.newest().files)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    arguments = [*WALK, "--data.root", far[0], "--trainer.default_root_dir", run]
    assert shop.call(*arguments, "--trainer.callbacks", "meeting.Meeting") == 2
    assert capsys.readouterr().err.count(f"another program has changed {run} meanwhile") == 1


def test_versions_go_to_another_store_and_parts_are_merged_there(
    s3: S3, shop: Shop, far: tuple[str, str], new_machine: NewMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    stream, run = far
    assert shop.call("export", run, "--out", f"{s3.address}/models") == 0
    assert f"{s3.address}/models/after-period-000006 serves now" in capsys.readouterr().out
    new_machine()
    with opened(f"{s3.address}/models") as source:
        assert source.scorer.version == "after-period-000006"
    convert([shop.day(0)], stream, SETTINGS, append=True)
    assert shop.call("convert", "--compact", stream) == 0
    assert f"{stream}: 2 parts merged into 1, 280 rows as before" in capsys.readouterr().out
    new_machine()
    assert len(open_stream_at(stream)) == 280


def test_tables_and_pages_are_made_of_runs_there_and_written_there(
    s3: S3, shop: Shop, far: tuple[str, str], new_machine: NewMachine, tmp_path: Path
) -> None:
    new_machine()
    results = f"{s3.address}/results"
    assert shop.call("compare", far[1], shop.run, "--out", f"{results}/table") == 0
    assert shop.call("report", f"{s3.address}/runs", "--out", f"{results}/report.html") == 0
    assert s3.objects("results") == ["report.html", "table.csv", "table.md", "table.png", "table.tex"]
    fetched = [each for each in s3.faults.seen if each.startswith("GET") and ("/checkpoints/" in each)]
    assert not [each for each in fetched if "listings" not in each and "list-type" not in each]
