"""Writing a file, or a folder, in one step: whatever interrupts it, the old one or the new one is there, and whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from asmg_pl.errors import StorageError

PARTIAL = ".partial"


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give another path to write to. When that is done, its content goes to the disk and takes the name ``path``.

    After an error, nothing of the new content is left.

    Args:
        path: the file or folder that is wanted; an older one is replaced.

    Yields:
        The path to write to, beside the other one; nothing is there yet.

    Raises:
        StorageError: if the disk takes no more, or the folder cannot be written to.
    """
    partial = path.with_name(path.name + PARTIAL)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove(partial)
        yield partial
        for file in partial.iterdir() if partial.is_dir() else ():
            sync(file)
        sync(partial)
        if path.is_dir():
            shutil.rmtree(path)
        partial.replace(path)
        sync(path.parent)
    except BaseException as error:
        with suppress(OSError):
            remove(partial)
        if (reason := storage_reason(error)) is not None:
            raise not_written(path, reason) from error
        raise


def not_written(path: Path, reason: str) -> StorageError:
    """The error that says why a path could not be written."""
    return StorageError(
        f"{path} could not be written ({reason}). Nothing of it is left, and what was there before is as it was: make "
        "room there, or see to the disk"
    )


def storage_reason(error: BaseException) -> str | None:
    """What the system said of a disk, if that is the reason of an error; ``None`` if not.

    torch, which writes in C++, raises something else, whose context it is.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and not isinstance(cause, StorageError):
            return cause.strerror or str(cause).partition(" (os error")[0]
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return None


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have a file's content, or a folder's list of files, written to the disk itself."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
