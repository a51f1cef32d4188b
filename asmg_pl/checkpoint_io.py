"""Writing checkpoints so that a crash leaves no half of one, and reading them without running code."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from asmg_pl.errors import CheckpointError

#: What a checkpoint holds, and how; raised when a change makes earlier files unreadable.
FORMAT = 2

#: Where in a checkpoint that is a folder the parts are that belong to no table.
WALK = "walk.pt"

#: Some of what a walk's checkpoint has.
WRITTEN = {"state_dict", "optimizer_states", "results", "best_pretraining_epoch"}


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, flushes to disk, then renames; reads tensors and plain values only."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint file in one atomic step."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            torch.save({**checkpoint, "format": FORMAT}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read a checkpoint file.

        Raises:
            CheckpointError: if it is missing or not readable; the message names the one before it, if there is one.
        """
        if Path(path).is_dir():
            raise CheckpointError(
                f"{path} is a folder, written with sharded tables: read it with them "
                "(--trainer.strategy asmg_pl.sharding.ShardedTables)"
            )
        return read_checkpoint(Path(path), map_location)


def check_file(path: Path) -> None:
    """Check that a checkpoint file is there and whole: that each of its parts has the checksum written with it.

    Raises:
        CheckpointError: if not; the message names the one before it, if there is one.
    """
    if not path.exists():
        raise CheckpointError(f"there is no checkpoint {path}: give an existing one, or 'last'")
    try:
        with zipfile.ZipFile(_file(path)) as parts:
            whole = parts.testzip() is None
    except (zipfile.BadZipFile, OSError):
        whole = False
    if not whole:
        raise CheckpointError(f"{path} is damaged, or no checkpoint of this program{_previous(path)}")


def read_checkpoint(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Load a checkpoint's tensors and plain values; see :meth:`AtomicCheckpointIO.load_checkpoint`.

    Of one that is a folder, what belongs to no table; see :mod:`asmg_pl.sharding.checkpoint`.
    """
    check_file(path)
    try:
        checkpoint = torch.load(_file(path), map_location=map_location, weights_only=True)
    except Exception as error:  # torch raises many kinds for a file of another make
        raise CheckpointError(f"{path} is no checkpoint of this program{_previous(path)}") from error
    if not isinstance(checkpoint, dict) or not checkpoint.keys() >= WRITTEN:
        raise CheckpointError(f"{path} was not written by a walk of this program{_previous(path)}")
    if checkpoint.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} was written by another version of asmg_pl, which this one cannot read: go on with that "
            "version, or start a walk anew in another folder (--trainer.default_root_dir)"
        )
    return checkpoint


def newest_first(folder: Path) -> list[Path]:
    """The walk's checkpoints in a folder; their names sort by the place in the walk."""
    return sorted(folder.glob("period-*.ckpt"), reverse=True)


def _file(path: Path) -> Path:
    return path / WALK if path.is_dir() else path


def _previous(path: Path) -> str:
    earlier = [p for p in newest_first(path.parent) if p.name < path.name]
    return f"; the previous one is {earlier[0]}: give it with --ckpt_path" if earlier else ""
