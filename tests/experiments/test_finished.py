"""Walks that have ended are not started again, unless something that they depend on has changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from asmg_pl.experiments import finished
from asmg_pl.experiments.finished import FINISHED, Finished
from asmg_pl.experiments.processes import LocalPool
from asmg_pl.experiments.walking import walk_all
from asmg_pl.experiments.walks import Walk

CONFIG = "data: {root: stream, periods: {class_path: asmg_pl.data.Calendar, init_args: {complete_until: null}}}"


@pytest.fixture
def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Walk:
    """A walk that notes each of its starts, and leaves a configuration and scores."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stream").mkdir()
    (tmp_path / "stream" / "time.npy").write_bytes(b"rows")
    (tmp_path / "method.yaml").write_text("model: ASMG")
    (tmp_path / "config.yaml").write_text(CONFIG)
    script = "echo x >> starts; cp config.yaml run; mkdir -p run/checkpoints; cp config.yaml run/metrics.csv"
    monkeypatch.setattr(Walk, "command", property(lambda walk: ["sh", "-c", script]))
    return Walk(Path("run"), 1, ("--config", "method.yaml"))


def starts() -> int:
    """How often the walk has been started."""
    return len(Path("starts").read_text().split())


def test_of_many_finished_walks_none_is_started(walk: Walk, caplog: pytest.LogCaptureFixture) -> None:
    walks = [Walk(walk.folder, seed, walk.arguments) for seed in (1,)]
    assert walk_all(walks, LocalPool()) == walk_all(walks, LocalPool()) == []
    with caplog.at_level("INFO"):
        assert walk_all(walks, LocalPool()) == []
    assert starts() == 1
    assert "1 of 1 walks have ended before, and nothing has changed since" in caplog.text


@pytest.mark.parametrize(
    "change",
    [
        lambda: Path("stream/part-00001.npy").write_bytes(b"more"),
        lambda: os.utime("stream/time.npy", (1, 1)),
        lambda: Path("method.yaml").write_text("model: EWC"),
        lambda: Path("run/metrics.csv").write_text("damaged"),
        lambda: Path("run/metrics.csv").unlink(),
        lambda: Path("run/checkpoints/period-000001-phase-000-score.ckpt").touch(),
        lambda: Path("run/config.yaml").write_text("seed_everything: 2"),
        lambda: Path("run", FINISHED).write_text("{"),
        lambda: Path("run", FINISHED).unlink(),
        lambda: None,
    ],
    ids=["rows", "times", "method", "scores", "no scores", "checkpoint", "settings", "damaged", "no note", "program"],
)
def test_whatever_has_changed_the_walk_decides_itself(
    walk: Walk, change: Callable[[], object], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    walk_all([walk], LocalPool())
    change()
    if "program" in request.node.name:
        monkeypatch.setattr(finished, "program_mark", lambda: "another")
    walk_all([walk], LocalPool())
    assert starts() == 2


@pytest.mark.parametrize("written", ["stream/part-00001.npy", "method.yaml"])
def test_a_walk_during_which_a_file_has_changed_is_started_again(
    walk: Walk, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"{walk.command[-1]}; sleep 0.1; echo more >> {written}"
    monkeypatch.setattr(Walk, "command", property(lambda walk: ["sh", "-c", script]))
    walk_all([walk], LocalPool())
    walk_all([walk], LocalPool())
    assert starts() == 2


def test_a_method_that_is_written_again_with_the_same_content_has_not_changed(walk: Walk) -> None:
    walk_all([walk], LocalPool())
    Path("method.yaml").write_text("model: ASMG")
    Path("stream/.lock").touch()
    walk_all([walk], LocalPool())
    assert starts() == 1


def test_another_working_folder_is_another_walk(walk: Walk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    walk_all([walk], LocalPool())
    assert Finished().has(walk.folder, walk.own_arguments)
    monkeypatch.chdir(tmp_path / "stream")
    assert not Finished().has(tmp_path / walk.folder, walk.own_arguments)


@pytest.mark.parametrize("moving", ["complete_until: now", "class_path: my_shop.Periods"])
def test_a_walk_that_may_go_on_by_itself_is_always_started(walk: Walk, moving: str) -> None:
    Path("config.yaml").write_text(f"data: {{root: stream, periods: {{{moving}}}}}")
    walk_all([walk], LocalPool())
    walk_all([walk], LocalPool())
    assert starts() == 2


def test_a_walk_that_has_failed_is_started_again(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Walk, "command", property(lambda walk: ["sh", "-c", "echo x >> starts; exit 1"]))
    assert walk_all([walk], LocalPool()) == walk_all([walk], LocalPool()) == [walk]
    assert starts() == 2
