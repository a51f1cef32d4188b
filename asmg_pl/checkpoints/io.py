"""Writes checkpoints in one step, and reads them without running code."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, NoReturn

import torch
from lightning import LightningDataModule, LightningModule
from lightning.pytorch.plugins.io import TorchCheckpointIO

from asmg_pl.checkpoints.archive import add_filed
from asmg_pl.checkpoints.digest import digests_of
from asmg_pl.checkpoints.names import newest_first as newest_first
from asmg_pl.checkpoints.schema import boundaries_of, check, stream_of
from asmg_pl.checkpoints.values import Flaw
from asmg_pl.errors import CheckpointError
from asmg_pl.system.files import written_whole

#: The version of the checkpoints' format. A change that makes earlier files unreadable raises it.
FORMAT = 5

#: The number of boundaries of periods from which on they are written as a tensor, which takes a hundredth of the time.
MANY = 1000

#: The file of a sharded checkpoint that has all entries but the tables.
WALK = "walk.pt"

#: Entries that every checkpoint of a walk has.
WRITTEN = {"state_dict", "optimizer_states", "results", "best_pretraining_epoch"}

#: Lightning's entries that name classes to import. The classes of a walk come from its configuration alone.
NAMES_OF_CODE = {
    key
    for kind in (LightningModule, LightningDataModule)
    for key in (kind.CHECKPOINT_HYPER_PARAMS_KEY, kind.CHECKPOINT_HYPER_PARAMS_NAME, kind.CHECKPOINT_HYPER_PARAMS_TYPE)
}


class Entries(dict[str, Any]):
    """The entries of a checkpoint by name. Asking for a missing entry raises an error that names the file."""

    def __init__(self, path: Path, entries: dict[str, Any]) -> None:
        """Keep the path for messages."""
        super().__init__(entries)
        self.path = path

    def __missing__(self, key: str) -> NoReturn:
        """Raise an error that names the missing entry."""
        raise CheckpointError(
            f"{self.path} has no entry {key}: resume with the method that wrote it{_previous(self.path)}"
        )


class AtomicCheckpointIO(TorchCheckpointIO):
    """A checkpoint plugin that writes in one step, and reads tensors and plain values only."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint file in one atomic step.

        Raises:
            StorageError: if the disk is full or fails; no half-written file is left.
            CheckpointError: if a value could not be read without running code.
        """
        content = {name: entry for name, entry in checkpoint.items() if name not in NAMES_OF_CODE}
        content["format"] = FORMAT
        try:
            content |= {
                name: {**entry, "boundaries": torch.tensor(entry["boundaries"])}
                for name, entry in content.items()
                if isinstance(entry, dict) and len(entry.get("boundaries", ())) > MANY
            }
            content["digests"] = digests_of(content)
        except Flaw as flaw:
            raise CheckpointError(f"{path} is not written, as it could not be read: {flaw}") from flaw
        with written_whole(Path(path)) as partial, partial.open("wb") as file:
            torch.save(content, file)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read a checkpoint file.

        Raises:
            CheckpointError: if the file is missing or not readable. The message names the newest
                earlier one that is sound.
        """
        if Path(path).is_dir():
            raise CheckpointError(
                f"{path} is a folder, written with sharded tables: read it with them "
                "(--trainer.strategy asmg_pl.distributed.ShardedTables)"
            )
        return read_checkpoint(Path(path), map_location)


def check_file(path: Path) -> None:
    """Check that a checkpoint file exists, and that its bytes have the checksums that were written with them.

    Raises:
        CheckpointError: if the check fails. The message names the newest earlier one that is sound.
    """
    if not path.exists():
        raise CheckpointError(f"there is no checkpoint {path}: give an existing one, or 'last'")
    if not _whole(path):
        raise CheckpointError(f"{path} is damaged, or no checkpoint of this program{_previous(path)}")


def read_checkpoint(path: Path, map_location: Any = "cpu") -> Entries:
    """Load and check a checkpoint's tensors and plain values; see :meth:`AtomicCheckpointIO.load_checkpoint`.

    If the checkpoint is a folder, the entries that belong to no table are read; see
    :mod:`asmg_pl.distributed.checkpoint`.

    Raises:
        CheckpointError: if it cannot be used. The message names the file, the flaw, and the newest earlier one that
            is sound.
    """
    check_file(path)
    try:
        checkpoint = torch.load(_file(path), map_location=map_location, weights_only=True)
    except Exception as error:  # torch raises many types of errors for other files
        raise CheckpointError(f"{path} is no checkpoint of this program{_previous(path)}") from error
    if not isinstance(checkpoint, dict) or not checkpoint.keys() >= WRITTEN:
        raise CheckpointError(f"{path} was not written by a walk of this program{_previous(path)}")
    if checkpoint.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} was written by another version of asmg_pl, which this one cannot read: go on with that "
            "version, or start a walk anew in another folder (--trainer.default_root_dir)"
        )
    if named := sorted(NAMES_OF_CODE & checkpoint.keys()):
        raise CheckpointError(f"{path} names classes to import ({', '.join(named)}), which no walk's checkpoint does")
    if checkpoint.get("within_a_phase"):
        raise CheckpointError(
            f"{path} was written in the middle of a phase, by Lightning or another callback, and a walk goes on from "
            f"the end of one{_previous(path) or ': give --ckpt_path last'}"
        )
    if "sharded" in checkpoint and not path.is_dir():
        raise CheckpointError(f"{path} is one file of a checkpoint with sharded tables: give its folder, {path.parent}")
    try:
        check(checkpoint)
        _check_digests(checkpoint)
        add_filed(checkpoint, path.parent)
        name, stream = stream_of(checkpoint)
        checkpoint[name] = {**stream, "boundaries": boundaries_of(stream)}
    except Flaw as flaw:
        raise CheckpointError(f"{path} cannot be used: {flaw}{_previous(path)}") from flaw
    return Entries(path, checkpoint)


def _check_digests(checkpoint: dict[str, Any]) -> None:
    written = checkpoint.get("digests")
    found = digests_of({name: entry for name, entry in checkpoint.items() if name != "digests"})
    if not isinstance(written, dict):
        raise Flaw("digests", "is missing")
    if changed := sorted(map(str, written.keys() ^ found.keys())):
        raise Flaw(changed[0], "was added or taken away after it was written")
    for name, digest in found.items():
        if written[name] != digest:
            raise Flaw(name, "is not what was written")


def _file(path: Path) -> Path:
    return path / WALK if path.is_dir() else path


def _whole(path: Path) -> bool:
    """Whether a file's bytes have the checksums that were written with them."""
    try:
        with zipfile.ZipFile(_file(path)) as parts:
            return parts.testzip() is None
    except Exception:  # a damaged archive raises many types of errors
        return False


def _previous(path: Path) -> str:
    """What to go on from instead: the newest earlier checkpoint whose bytes are sound."""
    earlier = [p for p in newest_first(path.parent) if p.name < path.name]
    if not earlier:
        return ""
    sound = next(filter(_whole, earlier), None)
    if sound is None:
        return (
            f"; no earlier one in {path.parent} can be read: begin anew in another folder (--trainer.default_root_dir)"
        )
    which = "the previous one" if sound == earlier[0] else "the newest earlier one that can be read"
    return f"; {which} is {sound}: give it with --ckpt_path"
