"""Reading the folders of :mod:`torch.distributed.checkpoint` without running code.

Their metadata are a pickle, whose loading may call anything. Here it makes the few classes that it has when torch
writes it, and refuses all others.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import Metadata, TensorStorageMetadata

from asmg_pl.errors import CheckpointError

METADATA = ".metadata"

_HARMLESS = {
    "torch.distributed.checkpoint.metadata": {
        *("Metadata", "TensorStorageMetadata", "TensorProperties", "ChunkStorageMetadata", "MetadataIndex"),
        *("StorageMeta", "_MEM_FORMAT_ENCODING"),
    },
    "torch.distributed.checkpoint.filesystem": {"_StorageInfo"},
    "torch.serialization": {"_get_layout"},
    "torch": {"Size", "float32", "float64", "float16", "bfloat16"},
    "pathlib": {"PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name not in _HARMLESS.get(module, ()):
            raise pickle.UnpicklingError(f"{module}.{name}")
        return super().find_class(module, name)


class Reader(FileSystemReader):
    """Reads tensors, with the metadata as :func:`read_metadata` does."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """What the folder holds."""
        return read_metadata(Path(self.path))


def tensors_in(folder: Path) -> Mapping[str, TensorStorageMetadata]:
    """The tensors that a folder holds, by name: their types, and shapes over all ranks.

    Raises:
        CheckpointError: if a file is missing or shorter than it was, or the folder is no checkpoint of this program.
    """
    metadata = read_metadata(folder)
    try:
        tensors = {name: e for name, e in metadata.state_dict_metadata.items() if isinstance(e, TensorStorageMetadata)}
        parts = (metadata.storage_data or {}).values()
        whole = len(tensors) == len(metadata.state_dict_metadata) and all(_there(folder, part) for part in parts)
    except (AttributeError, TypeError, ValueError):  # its classes are as written, what they hold is not
        whole = False
    if not whole:
        raise CheckpointError(_damaged(folder))
    return tensors


def part_names(folder: Path, rank: int) -> list[str]:
    """The files that a rank has written of a checkpoint; the first one, the metadata as well."""
    own = [path.name for path in folder.glob(f"__{rank}_*.distcp")]
    return sorted([*own, METADATA] if rank == 0 else own)


def read_metadata(folder: Path) -> Metadata:
    """The folder's metadata.

    Raises:
        CheckpointError: if they are missing, damaged, or would make classes that they never have.
    """
    try:
        with (folder / METADATA).open("rb") as file:
            metadata = _Unpickler(file).load()
    except Exception as error:  # a damaged pickle raises many kinds
        raise CheckpointError(_damaged(folder)) from error
    if not isinstance(metadata, Metadata):
        raise CheckpointError(_damaged(folder))
    return metadata


def _there(folder: Path, part: Any) -> bool:
    file = folder / part.relative_path
    return file.parent == folder and file.is_file() and file.stat().st_size >= part.offset + part.length


def _damaged(folder: Path) -> str:
    return f"{folder} is damaged, or no checkpoint of this program: give an earlier one with --ckpt_path"
