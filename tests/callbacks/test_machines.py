"""With sharded tables, the machines of a walk put up one checkpoint together, and other machines go on from it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch.distributed as dist
from buckets import S3
from distributed.ranks import on_ranks
from distributed.test_walks import CUT, METHODS, SHARDED, STREAM, WALK, assert_same, walk
from end_to_end.program import environment
from patience import PATIENCE
from ports import free_port

from asmg_pl.callbacks.machines import Parts, leaders
from asmg_pl.distributed.board import Board
from asmg_pl.errors import BusyError, StorageError
from asmg_pl.storage.copy import Copy
from asmg_pl.storage.remote import RemoteFolder

DYING = """
import os
from lightning.pytorch.callbacks import Callback
class Dying(Callback):
    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_rank == 1 and pl_module.phase.period == 5 and pl_module.phase.name == "update":
            os.kill(os.getpid(), 9)
"""


def put(address: str, caches: str, refused: bool) -> tuple[list[int], list[str], list[str]]:
    """Put up two checkpoints from two machines; the leaders, what is at the address, and what is on the machine.

    Args:
        address: of the run folder.
        caches: a folder; each machine has its cache in it.
        refused: whether the store does not take the second part of the second machine.
    """
    rank = dist.get_rank()
    os.environ["ASMG_CACHE"] = f"{caches}/{rank}"
    copy, folder = Copy.work(address, new=True, several=True)
    first = leaders(copy, local_rank=0)
    parts, said = Parts(copy, Board(), rank, 2), ""
    for number in (1, 2):
        checkpoint = folder / "checkpoints" / f"{number}.ckpt"
        checkpoint.mkdir(parents=True)
        (checkpoint / f"{rank}.distcp").write_text(f"{number} {rank}")
        (folder / f"of-machine-{rank}.txt").touch()
        if refused and (number, rank) == (2, 1):
            copy.remote.put_up = lambda new, number: (_ for _ in ()).throw(StorageError("no room"))  # type: ignore
        try:
            parts.put(copy.change())
            parts.settle()
        except StorageError as error:
            said = str(error)
    if not said:
        parts.leave_together()
    dist.barrier()
    here = [path.relative_to(folder).as_posix() for path in folder.rglob("*.distcp")]
    return first, sorted(RemoteFolder(address).newest().files), sorted(here) if not said else [said]


@pytest.mark.slow
def test_the_listing_has_the_parts_of_all_machines(tmp_path: Path) -> None:
    both = [f"checkpoints/{number}.ckpt/{rank}.distcp" for number in (1, 2) for rank in (0, 1)]
    found = on_ranks(2, put, f"file://{tmp_path}/there", str(tmp_path), False)
    assert found == [([0, 1], [*both, "of-machine-0.txt"], both), ([0, 1], [*both, "of-machine-0.txt"], [])]


@pytest.mark.slow
def test_a_part_that_the_store_does_not_take_is_an_error_on_all_machines_and_the_address_stays(tmp_path: Path) -> None:
    for _, there, said in on_ranks(2, put, f"file://{tmp_path}/there", str(tmp_path), True):
        assert there == ["checkpoints/1.ckpt/0.distcp", "checkpoints/1.ckpt/1.distcp", "of-machine-0.txt"]
        assert said == ["no room"]


def one_cache(address: str, cache: str) -> list[int]:
    """The leaders of two machines that see one cache."""
    os.environ["ASMG_CACHE"] = cache
    return leaders(Copy.work(address, new=True)[0], local_rank=0)


@pytest.mark.slow
def test_machines_that_see_one_cache_count_as_one(tmp_path: Path) -> None:
    assert on_ranks(2, one_cache, f"file://{tmp_path}/there", str(tmp_path)) == [[0], [0]]


def machines(address: str, folder: Path, *options: str) -> list[tuple[int, str]]:
    """Walk on two machines with caches of their own, until one of them ends; exit statuses, and what was said."""
    given = f"fit --model=ASMG {STREAM} {CUT} {WALK} {METHODS['ASMG']} {SHARDED} --ckpt_path=last".split()
    called = [sys.executable, "-m", "asmg_pl", *given, f"--trainer.default_root_dir={address}", *options]
    meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "TORCHELASTIC_RUN_ID": "test"}
    meet |= {"WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "OMP_NUM_THREADS": "1"}
    with ExitStack() as stack:
        running = []
        for rank in range(2):
            own = {"RANK": str(rank), "GROUP_RANK": str(rank), "ASMG_CACHE": str(folder / f"machine-{rank}")}
            log = stack.enter_context((folder / f"{rank}.log").open("w"))
            environ = environment() | meet | own | {"PYTHONPATH": str(folder)}
            running.append(subprocess.Popen(called, cwd=folder, env=environ, stdout=log, stderr=log))
            stack.callback(running[-1].wait)
            stack.callback(running[-1].kill)
        running[1].wait(PATIENCE)
        if running[1].returncode:
            running[0].kill()
        running[0].wait(PATIENCE)
        return [(running[rank].returncode, (folder / f"{rank}.log").read_text()) for rank in range(2)]


@pytest.mark.slow
def test_a_killed_walk_goes_on_on_two_other_machines_with_the_numbers_of_one_process(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{s3.address}/runs/sharded"
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    (first / "dying.py").write_text(DYING)
    s3.faults.failing = s3.faults.slowing = s3.faults.losing = 0.05
    killed = machines(address, first, "--trainer.callbacks=dying.Dying")
    assert killed[1][0] == -signal.SIGKILL, killed
    there = [Path(path) for path in RemoteFolder(address).newest().files]
    whole = {".metadata", "walk.pt", "__0_0.distcp", "__1_0.distcp"}
    folders = {path.parent for path in there if path.parent.suffix == ".ckpt"}
    assert folders
    assert [{path.name for path in there if path.parent == folder} for folder in folders] == [whole] * len(folders)
    ended = machines(address, second)
    assert [code for code, _ in ended] == [0, 0], ended
    s3.faults.mend()
    copy, run = Copy.view(address)
    copy.fetch()
    assert walk(tmp_path / "alone", 1, "ASMG", sharded=False) == ""
    assert_same(run, tmp_path / "alone")
    monkeypatch.setenv("ASMG_CACHE", str(first / "machine-0"))  # whose last change had only a part
    onward, run = Copy.work(address, new=True)
    onward.fetch()
    assert sorted(path for path in onward.change().kept) == sorted(onward.listing.files)


def test_a_copy_in_which_several_machines_walk_is_not_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASMG_CACHE", str(tmp_path))
    copy, folder = Copy.work(f"file://{tmp_path}/there", new=True)
    folder.mkdir(parents=True)
    (folder / "metrics.csv").touch()
    copy.put(copy.change())
    with copy.in_parts():
        (folder / "part").touch()
        with pytest.raises(BusyError, match="is walked on this machine by another program, process"):
            Copy.work(f"file://{tmp_path}/there", new=True)
    Copy.work(f"file://{tmp_path}/there", new=True)
    assert [path.name for path in folder.iterdir()] == ["metrics.csv"]
    (folder / "whole").touch()
    Copy.work(f"file://{tmp_path}/there", new=True)
    assert (folder / "whole").exists()
    Copy.work(f"file://{tmp_path}/there", new=True, several=True)
    assert not (folder / "whole").exists()
