"""Writes files and folders in one step: after an interruption there is the old one or the new one, and whole.

A file of rows may grow by whole rows instead.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from asmg_pl.errors import StorageError

PARTIAL = ".partial"


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give another path to write to. Afterwards its content is flushed to the disk and renamed to ``path``.

    An error leaves nothing of the new content.

    Args:
        path: the file or folder to write; an older one is replaced.

    Yields:
        The path to write to, beside ``path``; there is no such file yet.

    Raises:
        StorageError: if the disk is full or fails, or the folder cannot be written to.
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


def append(path: Path, content: bytes, size: int) -> bool:
    """Add to the end of a file in one write, which is flushed to the disk. After an error the file is as before.

    Args:
        path: the file.
        content: what to add.
        size: the bytes that the file has now. If it has another number of them, nothing is written.

    Returns:
        Whether it was written.

    Raises:
        StorageError: if the disk is full or fails.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise not_written(path, str(storage_reason(error))) from error
    try:
        if os.fstat(file).st_size != size:
            return False
        if os.write(file, content) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(path)
    except OSError as error:
        with suppress(OSError):
            os.ftruncate(file, size)
        raise not_written(path, str(storage_reason(error))) from error
    finally:
        os.close(file)
    return True


def not_written(path: Path, reason: str) -> StorageError:
    """Make the error that says why a path could not be written."""
    return StorageError(
        f"{path} could not be written ({reason}). No half-written file is left, and an earlier file is unchanged: make "
        "room on the disk, or check it"
    )


def storage_reason(error: BaseException) -> str | None:
    """The system's message about a disk, if a disk caused this error; otherwise ``None``.

    torch writes in C++ and raises another error, whose context is the system's error.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and not isinstance(cause, StorageError):
            return cause.strerror or str(cause).partition(" (os error")[0]
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return None


def remove(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Flush a file's content, or a folder's list of files, to the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
