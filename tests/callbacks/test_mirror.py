"""A run folder goes up in the background: at most one phase behind, as it was at the phase's end, and whole at last."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import fsspec
import pytest
from lightning import LightningModule, Trainer
from patience import PATIENCE

from asmg_pl.callbacks.mirror import RunMirror
from asmg_pl.storage.copy import Change, Copy
from asmg_pl.storage.remote import RemoteFolder

ADDRESS = "memory://mirrored/run"


class First:
    """What a mirror asks of the trainer of the first process."""

    is_global_zero = True


TRAINER, MODULE = cast(Trainer, First()), cast(LightningModule, None)


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Copy]:
    """The local copy of a run folder that has nothing yet."""
    monkeypatch.setenv("ASMG_CACHE", str(tmp_path / "cache"))
    found, folder = Copy.work(ADDRESS, new=True)
    (folder / "checkpoints").mkdir(parents=True)
    yield found
    fsspec.filesystem("memory").rm("/mirrored", recursive=True)


def phase(folder: Path, number: int) -> None:
    """Leave what a phase leaves: a row, and a checkpoint in place of the one before."""
    with (folder / "metrics.csv").open("a") as table:
        table.write(f"{number}\n")
    for old in (folder / "checkpoints").iterdir():
        old.unlink()
    (folder / "checkpoints" / f"{number}.ckpt").write_text(str(number) * 100)


def there() -> dict[str, bytes]:
    """The files at the address."""
    remote = RemoteFolder(ADDRESS)
    return {path: remote._bucket.read(entry.object) for path, entry in remote.newest().files.items()}


def test_at_most_one_phase_is_behind_and_each_goes_up_as_it_was(copy: Copy) -> None:
    mirror, real = RunMirror(copy), copy.put
    begun, go_on, second_ended = threading.Semaphore(0), threading.Event(), threading.Event()
    seen = []

    def slow(change: Change, always: bool = False) -> None:
        begun.release()
        assert go_on.wait(PATIENCE)
        real(change, always)
        seen.append(there())

    def end_second() -> None:
        mirror.on_train_epoch_end(TRAINER, MODULE)
        second_ended.set()

    cast(Any, copy).put = slow
    phase(copy.folder, 1)
    mirror.on_train_epoch_end(TRAINER, MODULE)  # does not wait
    assert begun.acquire(timeout=PATIENCE)
    phase(copy.folder, 2)
    second = threading.Thread(target=end_second)
    second.start()
    assert not second_ended.is_set()  # the first phase is still on its way
    go_on.set()
    second.join(PATIENCE)
    phase(copy.folder, 3)
    mirror.teardown(TRAINER, MODULE, "fit")
    assert seen[0] == {"checkpoints/1.ckpt": b"1" * 100, "metrics.csv": b"1\n"}
    assert seen[1] == {"checkpoints/2.ckpt": b"2" * 100, "metrics.csv": b"1\n2\n"}
    assert there() == {"checkpoints/3.ckpt": b"3" * 100, "metrics.csv": b"1\n2\n3\n"}
    assert [path.name for path in copy.folder.parent.glob(".going-up-*")] == []


def test_a_checkpoint_that_is_there_is_not_put_up_again_and_foreign_links_stay_here(copy: Copy) -> None:
    mirror = RunMirror(copy)
    phase(copy.folder, 1)
    (copy.folder / "latest").symlink_to(copy.folder / "checkpoints" / "1.ckpt")
    mirror.teardown(TRAINER, MODULE, "fit")
    (copy.folder / "metrics.csv").write_text("other\n")
    before = RemoteFolder(ADDRESS).newest()
    mirror.teardown(TRAINER, MODULE, "fit")
    after = RemoteFolder(ADDRESS).newest()
    assert after.files["checkpoints/1.ckpt"] == before.files["checkpoints/1.ckpt"]
    assert after.files["metrics.csv"].object != before.files["metrics.csv"].object
    assert sorted(after.files) == ["checkpoints/1.ckpt", "metrics.csv"]
