"""The store of versions: what serves, the way back, and that neither a kill nor a second writer breaks it."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from killed import Killed, kill_at
from serving.small import SIZES, contents

from asmg_pl.errors import BusyError, PackageError
from asmg_pl.recommenders import EmbeddingMLP
from asmg_pl.serving import Store, open_package, write

MODEL = EmbeddingMLP(SIZES, 2)


def add(store: Store, period: int, favourite: int = 0) -> str:
    """Add a package that differs with the favourite item."""
    popularity = np.eye(5, dtype=np.float32)[favourite]
    return store.add(period, partial(write, contents(MODEL, popularity=popularity)))


def published(folder: Path, *periods: int) -> Store:
    store = Store(folder)
    for period in periods:
        store.publish(add(store, period))
    return store


def test_what_is_added_serves_when_it_is_published(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert (store.versions(), store.current(), store.served()) == ([], None, [])
    name = add(store, 31)
    assert (name, store.versions(), store.current()) == ("after-period-000031", [name], None)
    store.publish(name)
    assert store.current() == name
    assert (store.folder / "current").read_text() == "after-period-000031\n"
    assert store.path() == store.path(name) == store.folder / name


def test_versions_stand_by_period_and_number(tmp_path: Path) -> None:
    store = published(tmp_path, 9, 10, 1_000_000)
    names = [add(store, 10, favourite) for favourite in (1, 2)]
    assert names == ["after-period-000010-2", "after-period-000010-3"]
    assert store.versions() == [
        *("after-period-000009", "after-period-000010", "after-period-000010-2", "after-period-000010-3"),
        "after-period-1000000",
    ]
    store.remove(["after-period-000010-2"])
    assert add(store, 10, 4) == "after-period-000010-4", "the name of a version that was there is not given again"


def test_the_same_package_is_not_added_twice(tmp_path: Path) -> None:
    store = published(tmp_path, 5)
    before = store.path().stat().st_ino
    assert add(store, 5) == "after-period-000005"
    assert store.versions() == ["after-period-000005"]
    assert store.path().stat().st_ino == before


def test_a_rollback_goes_back_in_the_order_in_which_versions_have_served(tmp_path: Path) -> None:
    store = published(tmp_path, 1, 2, 3)
    assert store.rollback() == "after-period-000002"
    store.publish(add(store, 4))
    assert store.rollback() == "after-period-000002", "3 was given up before"
    assert store.rollback() == "after-period-000001"
    with pytest.raises(PackageError, match="cannot go back by 1"):
        store.rollback()
    assert store.rollback(to="after-period-000004") == "after-period-000004"
    assert store.rollback() == "after-period-000001"


def test_several_steps_back(tmp_path: Path) -> None:
    store = published(tmp_path, 1, 2, 3, 4)
    assert store.rollback(3) == "after-period-000001"
    for steps in (0, -1, 1):
        with pytest.raises(PackageError, match="cannot go back"):
            store.rollback(steps)
    assert store.current() == "after-period-000001"


def test_publishing_what_serves_changes_nothing(tmp_path: Path) -> None:
    store = published(tmp_path, 1, 2)
    store.publish("after-period-000002")
    assert store.rollback() == "after-period-000001"


def test_the_newest_are_kept_and_what_serves(tmp_path: Path) -> None:
    store = published(tmp_path, 1, 2, 3, 4)
    store.rollback(3)
    assert store.prune(2) == ["after-period-000002"]
    assert store.versions() == ["after-period-000001", "after-period-000003", "after-period-000004"]
    store.publish("after-period-000004")
    store.prune(1)
    assert store.versions() == ["after-period-000004"]
    with pytest.raises(PackageError, match="cannot go back"):
        store.rollback()
    with pytest.raises(ValueError, match="at least one"):
        store.prune(0)


@pytest.mark.parametrize("do", [Store.publish, lambda store, name: store.rollback(to=name)])
def test_a_damaged_version_does_not_serve(do: Callable[[Store, str], object], tmp_path: Path) -> None:
    store = published(tmp_path, 1, 2)
    (store.path("after-period-000001") / "popularity.npy").write_bytes(b"")
    with pytest.raises(PackageError, match=r"popularity\.npy"):
        do(store, "after-period-000001")
    assert store.current() == "after-period-000002"


@pytest.mark.parametrize("text", ["", "\n", "../x", "a/b", "..", "no\0", "\\x"])
def test_a_damaged_pointer_is_refused_by_name_and_can_be_mended(text: str, tmp_path: Path) -> None:
    store = published(tmp_path, 1, 2)
    (tmp_path / "current").write_text(text)
    with pytest.raises(PackageError, match="current"):
        store.path()


def test_a_pointer_to_a_version_that_has_gone_says_which_there_are(tmp_path: Path) -> None:
    store = published(tmp_path, 1, 2)
    (tmp_path / "current").write_text("after-period-000007\n")
    with pytest.raises(PackageError, match="there are after-period-000001, after-period-000002"):
        store.path()
    assert store.rollback(to="after-period-000002") == "after-period-000002"


@pytest.mark.parametrize("text", ["", "{}", "[1, null]", '["nowhere"]'])
def test_a_damaged_list_of_what_has_served_does_not_change_what_serves(text: str, tmp_path: Path) -> None:
    store = published(tmp_path, 1, 2)
    (tmp_path / "served.json").write_text(text)
    assert store.served() == ["after-period-000002"]
    assert store.rollback(to="after-period-000001") == "after-period-000001"
    assert store.rollback(to="after-period-000002") == "after-period-000002"


# ---- two writers, and kills


@pytest.mark.parametrize(
    "do",
    [
        lambda store: add(store, 3),
        lambda store: store.publish("after-period-000001"),
        lambda store: store.rollback(),
        lambda store: store.prune(1),
    ],
)
def test_a_second_writer_is_told_of_the_first(do: Callable[[Store], object], tmp_path: Path) -> None:
    published(tmp_path, 1, 2)
    second = Store(tmp_path, wait=0.0)
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="is being written by another program"):
            do(second)
        assert second.current() == "after-period-000002", "who only reads does not wait"
    do(second)


#: Functions after which the store is in another state.
STEPS = [(os, "rename"), (os, "replace"), (os, "rmdir")]


def daily(store: Store) -> None:
    """What an export does each day."""
    with store.lock():
        store.publish(add(store, 3))
        store.prune(2)


def back(store: Store) -> None:
    """What a rollback does."""
    store.rollback()


@pytest.mark.parametrize(("do", "serving"), [pytest.param(daily, 3, marks=pytest.mark.slow), (back, 1)])
def test_a_kill_at_any_moment_leaves_the_store_as_it_was(
    do: Callable[[Store], None], serving: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # the disk keeps what it has been given
    published(tmp_path / "before", 1, 2)
    killed, step = True, 0
    while killed:
        folder = tmp_path / str(step)
        shutil.copytree(tmp_path / "before", folder)
        with monkeypatch.context() as patch:
            kill_at(patch, step, STEPS)
            try:
                do(Store(folder))
                killed = False
            except Killed:
                step += 1
        after = Store(folder)
        current = after.current()
        assert current in ("after-period-000002", f"after-period-{serving:06d}")
        for name in after.versions():
            open_package(folder / name)
        assert after.path() == folder / current
        if current == "after-period-000002":
            do(after)
        assert after.current() == f"after-period-{serving:06d}"
        daily(after)
        assert not [path for path in folder.iterdir() if path.name.startswith((".after", ".removing"))]
        assert after.versions() == ["after-period-000002", "after-period-000003"]
    assert step > 1
