"""Configurations of earlier versions."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from lightning.pytorch.cli import LightningArgumentParser

from asmg_pl.callbacks.settings import differences
from asmg_pl.checkpoints.io import AtomicCheckpointIO
from asmg_pl.cli.commands.fit import Parser
from asmg_pl.cli.moved import MODULES, current, updated
from asmg_pl.updaters import Updater

OLD = {
    "asmg_pl.checkpoint_io.AtomicCheckpointIO": "asmg_pl.checkpoints.io.AtomicCheckpointIO",
    "asmg_pl.sharding.ShardedTables": "asmg_pl.distributed.ShardedTables",
    "asmg_pl.sharding.strategy.ShardedTables": "asmg_pl.distributed.ShardedTables",
    "asmg_pl.updaters.of_before.Frozen": "asmg_pl.updaters.Frozen",
    "asmg_pl.data.of_before.Calendar": "asmg_pl.data.Calendar",
    "asmg_pl.of_before.ResidualGRU": "asmg_pl.generators.ResidualGRU",
    "asmg_pl.of_before.Stream": "asmg_pl.data.sources.Stream",
}


@pytest.mark.parametrize(("old", "new"), OLD.items())
def test_a_class_that_has_moved_is_found(old: str, new: str) -> None:
    assert current(old) == new
    assert current(new) is None, "it stands there"


@pytest.mark.parametrize("path", ["asmg_pl.updaters.Nothing", "asmg_pl.nowhere.Nothing", "asmg_pl.updaters.asmg.ASMG"])
def test_what_stands_where_it_stood_or_nowhere_is_left_as_it_is(path: str) -> None:
    assert current(path) is None


def test_settings_are_updated_wherever_they_name_a_class() -> None:
    old, new = next(iter(OLD.items()))
    moved: dict[str, str] = {}
    settings = {"trainer": {"plugins": [{"class_path": old}]}, "data": {"source": old, "root": "asmg_pl"}, "n": 1}
    expected = {"trainer": {"plugins": [{"class_path": new}]}, "data": {"source": new, "root": "asmg_pl"}, "n": 1}
    assert updated(settings, moved) == expected
    assert moved == {old: new}
    assert updated(expected, moved) == expected


@pytest.mark.parametrize(("old", "new"), OLD.items())
def test_a_checkpoint_that_names_the_old_path_has_the_same_settings(old: str, new: str) -> None:
    assert differences({"model.class_path": old}, {"model.class_path": new}) == []


def test_an_old_file_is_read_with_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "argv", ["asmg", "fit"])
    path = tmp_path / "config.yaml"
    path.write_text(
        "plugins:\n  class_path: asmg_pl.checkpoint_io.AtomicCheckpointIO\n"
        "model:\n  class_path: asmg_pl.updaters.of_before.Frozen\n  init_args:\n    test_from: 9\n"
    )
    parser: LightningArgumentParser = Parser()
    parser.add_argument("-c", "--config")
    parser.add_subclass_arguments(Updater, "model", skip={"sizes"})
    parser.add_argument("--plugins", type=AtomicCheckpointIO)
    found = parser.parse_args(["--config", str(path)])
    assert found.model.class_path == "asmg_pl.updaters.Frozen"
    assert found.model.init_args.test_from == 9
    assert found.plugins.class_path == "asmg_pl.checkpoints.io.AtomicCheckpointIO"
    (warning,) = caplog.messages
    assert "asmg_pl.checkpoint_io.AtomicCheckpointIO is now asmg_pl.checkpoints.io.AtomicCheckpointIO" in warning
    assert str(path) in warning


def test_every_place_of_classes_is_a_module() -> None:
    for name in MODULES:
        assert __import__(name)
