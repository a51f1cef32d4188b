"""What a study walks, and what it starts from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from asmg_pl.experiments import study
from asmg_pl.experiments.pool import Pool
from asmg_pl.experiments.study import Study
from asmg_pl.experiments.trial import Trial
from asmg_pl.experiments.walks import Walk


def configuration(**changed: Any) -> dict[str, Any]:
    arguments = {"pretrain_periods": 4, "pretrain_epochs": 1, "passes": 1, "learning_rate": 0.1} | changed
    return {"model": {"class_path": "asmg_pl.updaters.ASMG", "init_args": arguments}}


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> list[Walk]:
    """The walks of studies, none of which is really walked; each leaves a checkpoint, or fails if it is called bad."""
    done: list[Walk] = []

    def walk_all(walks: Sequence[Walk], pool: Pool, alike: bool = False) -> list[Walk]:
        done.extend(walks)
        for one in walks:
            (one.folder / "checkpoints").mkdir(parents=True, exist_ok=True)
            (one.folder / "checkpoints" / "period-000004-phase-001-select.ckpt").touch()
        return [one for one in walks if "bad" in one.folder.parts or "hasty" in one.folder.parts]

    def resolved(arguments: Sequence[str], kept: Path | None = None) -> dict[str, Any]:
        given = "--model.init_args.pretrained_model" in arguments
        return configuration(pretrained_model="given.ckpt" if given else None)

    monkeypatch.setattr(study, "walk_all", walk_all)
    monkeypatch.setattr(study, "resolved", resolved)
    return done


def test_all_trials_start_from_the_pretrained_model_of_their_seed(tmp_path: Path, walked: list[Walk]) -> None:
    found = Study(tmp_path, [1, 2], common=["--config", "demo"]).walk([Trial("a", ()), Trial("b", ())])
    assert [(one.folder.parent.name, one.seed) for one in walked] == [
        *(("common", 1), ("common", 2)),
        *(("a", 1), ("a", 2), ("b", 1), ("b", 2)),
    ]
    assert all(one.arguments[-2:] == ("--loop.until", "4") for one in walked[:2])
    for one in walked[2:]:
        checkpoint = tmp_path / "pretraining" / "common" / f"seed-{one.seed}" / "checkpoints"
        assert one.arguments[-2] == "--model.init_args.pretrained_model"
        assert Path(one.arguments[-1]).parent == checkpoint
    assert {trial.name: list(folders) for trial, folders in found.items()} == {"a": [1, 2], "b": [1, 2]}


def test_a_pretrained_model_that_is_given_is_not_made(tmp_path: Path, walked: list[Walk]) -> None:
    Study(tmp_path, [1], common=["--model.init_args.pretrained_model", "given.ckpt"]).walk([Trial("a", ())])
    assert [one.folder.parent.name for one in walked] == ["a"]


def test_failed_walks_are_remembered_and_divergence_is_a_result(tmp_path: Path, walked: list[Walk]) -> None:
    (tmp_path / "hasty" / "seed-1").mkdir(parents=True)
    (tmp_path / "hasty" / "seed-1" / "diverged.txt").touch()
    begun = Study(tmp_path, [1])
    found = begun.walk([Trial("good", ()), Trial("bad", ()), Trial("hasty", ())])
    assert [trial.name for trial in found] == ["good", "hasty"]
    assert begun.failed == [tmp_path / "bad" / "seed-1", tmp_path / "hasty" / "seed-1"]


def test_a_seed_that_is_given_twice_is_one_walk(tmp_path: Path, walked: list[Walk]) -> None:
    found = Study(tmp_path, [1, 1]).walk([Trial("a", ())])
    assert [one.folder.parent.name for one in walked] == ["common", "a"]
    assert [list(folders) for folders in found.values()] == [[1]]


@pytest.mark.parametrize(
    ("before", "seed", "again"),
    [({"passes": 7}, 1, False), ({"learning_rate": 0.7}, 1, True), ({}, 2, True), ({"pretrain_epochs": 2}, 1, True)],
)
def test_a_finished_pre_training_is_used_although_what_it_does_not_read_has_changed(
    before: dict[str, Any], seed: int, again: bool, tmp_path: Path, walked: list[Walk]
) -> None:
    folder = tmp_path / "pretraining" / "common" / "seed-1"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "period-000004-phase-001-select.ckpt").touch()
    (folder / "config.yaml").write_text(yaml.safe_dump({"seed_everything": seed} | configuration(**before)))
    Study(tmp_path, [1]).walk([Trial("a", ())])
    assert [one.folder.parent.name for one in walked] == ["common"] * again + ["a"]
    assert walked[-1].arguments[-1] == str(folder / "checkpoints" / "period-000004-phase-001-select.ckpt")
