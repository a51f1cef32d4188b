"""Nothing that is read names code that reading runs: wherever a checkpoint is given, a class it names stays unknown."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from end_to_end.program import Asmg, Finished, last_checkpoint

from asmg_pl.checkpoints.io import NAMES_OF_CODE, AtomicCheckpointIO


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that a module ``trap_module``, which can be imported, makes when it is."""
    sign = tmp_path / "sign"
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "trap_module.py").write_text(f"open({str(sign)!r}, 'w').close()\nclass Trap: pass\n")
    monkeypatch.syspath_prepend(tmp_path / "modules")
    monkeypatch.delitem(sys.modules, "trap_module", raising=False)
    return sign


def with_trap(path: Path, target: Path) -> Path:
    """A checkpoint that names the module as the class of the model, as Lightning would."""
    named = {key: {"_class_path": "trap_module.Trap", "_instantiator": "trap_module.Trap"} for key in NAMES_OF_CODE}
    content: dict[str, Any] = torch.load(path, weights_only=True) | named
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, target)
    return target


def test_checkpoints_name_no_code(walk: tuple[Path, Finished]) -> None:
    content = torch.load(last_checkpoint(walk[0]), weights_only=True)
    assert not NAMES_OF_CODE & content.keys()
    assert "class_path" not in str(content.keys())


def test_what_an_updater_keeps_of_its_own_arguments_is_left_out(walk: tuple[Path, Finished], tmp_path: Path) -> None:
    content = torch.load(last_checkpoint(walk[0]), weights_only=True)
    del content["digests"]
    named = {"hyper_parameters": {"_class_path": "trap_module.Trap"}}
    AtomicCheckpointIO().save_checkpoint(content | named, tmp_path / "x.ckpt")
    assert not NAMES_OF_CODE & torch.load(tmp_path / "x.ckpt", weights_only=True).keys()


@pytest.mark.parametrize("command", ["fit", "validate", "test"])
@pytest.mark.parametrize("given", ["a file", "last"])
def test_a_class_that_a_checkpoint_names_is_not_imported(
    walk: tuple[Path, Finished], asmg: Asmg, stream: Path, tmp_path: Path, trap: Path, command: str, given: str
) -> None:
    folder = tmp_path / "run"
    path = with_trap(last_checkpoint(walk[0]), folder / "checkpoints" / last_checkpoint(walk[0]).name)
    config = ("--config", stream / "config.yaml", "--data.root", stream, "--trainer.default_root_dir", folder)
    finished = asmg(command, *config, "--ckpt_path", path if given == "a file" else given, "--weights_only", "false")
    assert finished.code == 2
    assert f"{path} names classes to import" in finished.err
    assert not trap.exists()


def test_a_pretrained_model_names_no_class_either(
    walk: tuple[Path, Finished], fit: Asmg, tmp_path: Path, trap: Path
) -> None:
    path = with_trap(last_checkpoint(walk[0]), tmp_path / "pretrained.ckpt")
    finished = fit(tmp_path / "run", "--model.init_args.pretrained_model", path)
    assert finished.code == 2
    assert f"{path} names classes to import" in finished.err
    assert not trap.exists()


def test_files_beside_a_checkpoint_are_not_imported(
    walk: tuple[Path, Finished], fit: Asmg, tmp_path: Path, trap: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(walk[0], folder)
    (folder / "walk.json").write_text('{"walk": {"class_path": "trap_module.Trap"}}')
    (folder / "hparams.yaml").write_text("_class_path: trap_module.Trap\n")
    finished = fit(folder, "--ckpt_path", "last")
    assert finished.code == 0, finished.err
    assert not trap.exists()
