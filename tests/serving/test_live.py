"""Following a store: versions are swapped between two requests, and a damaged one never serves."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from patience import PATIENCE

from asmg_pl.errors import PackageError
from asmg_pl.recommenders import EmbeddingMLP
from asmg_pl.serving import Live, Scorer, Store, load, open_package, write
from asmg_pl.serving.drawn import drawn_contents

ITEMS = [f"item-{item}" for item in range(9)]


def published(store: Store, period: int) -> str:
    """A version with its own numbers, which serves from now on."""
    name = store.add(period, partial(write, drawn_contents(EmbeddingMLP, seed=period)))
    store.publish(name)
    return name


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store")
    published(made, 1)
    return made


@pytest.fixture
def live(store: Store) -> Iterator[Live]:
    with Live(store.folder) as found:
        yield found


def damage(path: Path) -> None:
    """Change a byte of a file; its size stays."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_a_new_version_serves_after_a_reload_and_an_earlier_one_after_a_rollback(store: Store, live: Live) -> None:
    before = live.scorer
    assert not live.reload()
    assert live.scorer is before
    published(store, 2)
    assert live.scorer is before
    assert live.reload()
    assert live.scorer.version == "after-period-000002"
    assert not np.allclose(live.scorer.score("user-1", ITEMS).logits, before.score("user-1", ITEMS).logits)
    store.rollback()
    assert live.reload()
    assert live.scorer.version == before.version
    np.testing.assert_array_equal(live.scorer.score("user-1", ITEMS).logits, before.score("user-1", ITEMS).logits)


@pytest.mark.parametrize("file", ["parameters/serving/tables.item.weight.npy", "ids/item.keys.npy", "package.json"])
def test_a_damaged_version_is_refused_with_a_message_and_the_old_one_goes_on_serving(
    file: str, store: Store, live: Live, caplog: pytest.LogCaptureFixture
) -> None:
    name = published(store, 2)
    damage(store.path(name) / file)
    with caplog.at_level(logging.WARNING):
        assert not live.reload()
        assert not live.reload()
    assert live.scorer.version == "after-period-000001"
    assert len(live.scorer.recommend("user-1", 3)) == 3
    assert live.refused is not None
    assert file.rpartition("/")[2] in live.refused
    assert [record.getMessage() for record in caplog.records] == [
        f"after-period-000001 goes on serving: {live.refused}"
    ]
    published(store, 3)
    assert live.reload()
    assert live.scorer.version == "after-period-000003"
    assert live.refused is None


def test_a_pointer_to_nothing_is_refused_and_forgotten_when_it_points_back(store: Store, live: Live) -> None:
    (store.folder / "current").write_text("after-period-000009\n")
    assert not live.reload()
    assert live.refused is not None
    assert "no version 'after-period-000009'" in live.refused
    (store.folder / "current").write_text("after-period-000001\n")
    assert not live.reload()
    assert live.refused is None


def test_who_sees_a_new_version_sees_its_count_and_no_refusal_of_an_earlier_one(store: Store) -> None:
    seen: list[tuple[str | None, int]] = []

    class Noting(Live):
        def __setattr__(self, name: str, value: object) -> None:
            if name == "scorer":  # from here on a request may take it
                seen.append((self.refused, self.swaps))
            super().__setattr__(name, value)

    live = Noting(store)
    (store.folder / "current").write_text("after-period-000009\n")
    assert not live.reload()
    assert (live.refusals, live.swaps) == (1, 0)
    published(store, 2)
    assert live.reload()
    assert seen == [(None, 0), (None, 1)]


def test_a_run_folder_stands_for_the_store_in_it(tmp_path: Path) -> None:
    version = published(Store(tmp_path / "run" / "serving"), 3)
    assert load(tmp_path / "run").version == load(str(tmp_path / "run")).version == version
    with Live(tmp_path / "run") as live:
        assert live.scorer.version == version


def test_without_a_version_that_serves_there_is_nothing_to_begin_with(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="has no version that serves"):
        Live(tmp_path)


def test_what_fails_in_a_version_s_own_class_is_refused_too(
    store: Store, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(store, 2)

    def broken(self: Scorer) -> None:
        raise ArithmeticError("no such thing")

    monkeypatch.setattr(Scorer, "prepare", broken)
    assert not live.reload()
    assert live.refused == "no such thing"
    assert live.scorer.version == "after-period-000001"


def test_a_version_that_is_removed_while_it_is_opened_gives_way_to_the_next(
    store: Store, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(store, 2)
    plain = open_package

    def removed(folder: Path, *more: object) -> object:
        monkeypatch.setattr("asmg_pl.serving.live.open_package", plain)
        published(store, 3)
        store.prune(1)
        return plain(folder, *more)  # type: ignore[arg-type]

    monkeypatch.setattr("asmg_pl.serving.live.open_package", removed)
    assert live.reload()
    assert (live.scorer.version, live.refused) == ("after-period-000003", None)


def test_a_watcher_swaps_by_itself_and_can_be_stopped(store: Store) -> None:
    live = Live(store)
    live.watch(seconds=0.01)
    live.watch(seconds=0.01)  # one watcher does
    name = published(store, 2)
    until = time.monotonic() + PATIENCE
    while live.scorer.version != name and time.monotonic() < until:
        time.sleep(0.01)
    assert live.scorer.version == name
    live.close()
    published(store, 3)
    time.sleep(0.1)
    assert live.scorer.version == name


def test_requests_during_swaps_and_rollbacks_are_all_answered_by_one_version_each(store: Store, live: Live) -> None:
    names = ["after-period-000001", published(store, 2), published(store, 3)]
    users = [f"user-{user}" for user in range(5)]
    expected = {name: {user: load(store.path(name)).score(user, ITEMS).logits for user in users} for name in names}
    done = []

    def ask(number: int) -> tuple[str, str, np.ndarray]:
        scorer, user = live.scorer, users[number % 5]
        found = scorer.score(user, ITEMS)
        assert found.version == scorer.version
        return found.version, user, found.logits

    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(ask, number) for number in range(300)]
        for turn in range(12):
            store.publish(names[turn % 3]) if turn % 4 else store.rollback()
            live.reload()
            done.append(live.scorer.version)
        answers = [each.result() for each in asked]
        answers.append(pool.submit(ask, 0).result())
    assert len(set(done)) > 1
    for version, user, logits in answers:
        np.testing.assert_allclose(logits, expected[version][user], atol=1e-6)
    assert answers[-1][0] == live.scorer.version == store.current()
