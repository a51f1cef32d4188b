"""Reads the folders of :mod:`torch.distributed.checkpoint` without running code.

The metadata are a pickle, whose loading may call any function. This reader makes only the few classes that torch writes
there, and refuses all others.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from enum import Enum
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
    "torch": {"Size", "float32", "float64", "float16", "bfloat16", "int32"},
    "pathlib": {"PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"},
}


def _member(kind: Any, name: str) -> Enum:
    """A member of an enumeration; Python 3.11.0 to 3.11.3 pickle it as an attribute of its class."""
    if not (isinstance(kind, type) and issubclass(kind, Enum)):
        raise pickle.UnpicklingError(f"an attribute of {kind!r}")
    return kind[name]


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):
            return _member
        if name not in _HARMLESS.get(module, ()):
            raise pickle.UnpicklingError(f"{module}.{name}")
        return super().find_class(module, name)


class Reader(FileSystemReader):
    """A reader of tensors, which reads the metadata with :func:`read_metadata`."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """Read the metadata of the folder."""
        return read_metadata(Path(self.path))


def tensors_in(folder: Path) -> Mapping[str, TensorStorageMetadata]:
    """The tensors in a folder, by name: types, and shapes over all ranks.

    Raises:
        CheckpointError: if a file is missing or cut off, or the folder is no checkpoint of this program.
    """
    metadata = read_metadata(folder)
    try:
        tensors = {name: e for name, e in metadata.state_dict_metadata.items() if isinstance(e, TensorStorageMetadata)}
        pieces = (metadata.storage_data or {}).values()
        whole = len(tensors) == len(metadata.state_dict_metadata) and all(_there(folder, piece) for piece in pieces)
    except (AttributeError, TypeError, ValueError):  # the classes are right, but their contents are damaged
        whole = False
    if not whole:
        raise CheckpointError(_damaged(folder))
    return tensors


def file_names(folder: Path, rank: int) -> list[str]:
    """The files of a checkpoint that a rank has written; the first rank has also written the metadata."""
    own = [path.name for path in folder.glob(f"__{rank}_*.distcp")]
    return sorted([*own, METADATA] if rank == 0 else own)


def read_metadata(folder: Path) -> Metadata:
    """Read a folder's metadata.

    Raises:
        CheckpointError: if they are missing or damaged, or name classes that torch does not write there.
    """
    try:
        with (folder / METADATA).open("rb") as file:
            metadata = _Unpickler(file).load()
    except Exception as error:  # a damaged pickle raises many types of errors
        raise CheckpointError(_damaged(folder)) from error
    if not isinstance(metadata, Metadata):
        raise CheckpointError(_damaged(folder))
    return metadata


def _there(folder: Path, piece: Any) -> bool:
    file = folder / piece.relative_path
    return file.parent == folder and file.is_file() and file.stat().st_size >= piece.offset + piece.length


def _damaged(folder: Path) -> str:
    return f"{folder} is damaged, or no checkpoint of this program: give an earlier one with --ckpt_path"
