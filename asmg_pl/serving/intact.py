"""Whether the files of a package are those that were written.

A digest of all files takes as long as reading them: a second for some hundred megabytes, too long for a process that
is to answer at once. So each file is read in full once on each machine:

    .checked     for each file: size, times of change, inode number and the digest that it had then

As long as the system gives the same numbers for a file, nobody has written to it, replaced it or cut it off. If they
differ, in a copy for example, the file is read and compared with its digest, and ``.checked`` is written anew, where
that is possible. A file that changed just before ``.checked`` was written is read too, since the system's times have
steps. What this does not see is a disk that changes a file without being asked; ``verify`` reads everything.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

from asmg_pl.errors import PackageError
from asmg_pl.serving.manifest import MEND, Manifest

CHECKED = ".checked"

#: A step of a file system's times, at most, in nanoseconds.
STEP = 20_000_000


def check_intact(folder: Path, manifest: Manifest, verify: bool = False) -> None:
    """Check all files of a package.

    Args:
        folder: the package.
        manifest: which says what its files must be.
        verify: whether every file is read in full, also one that nobody has changed since it was checked.

    Raises:
        PackageError: naming the file that is missing, cut off or damaged.
    """
    known, noted = ({}, 0) if verify else _read(folder / CHECKED)
    read_any = False
    for name, entry in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise PackageError(f"{path} is missing: {MEND}")
        marks = _marks(path)
        size, _, changed, _ = marks
        if size != entry.bytes:
            raise PackageError(f"{path} has {size:,} bytes instead of {entry.bytes:,}: {MEND}")
        if known.get(name) == [*marks, entry.sha256] and changed + STEP < noted:
            continue
        read_any = True
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
                raise PackageError(f"{path} is damaged, its content is not what was written: {MEND}")
    if read_any:
        with suppress(OSError):  # where nobody may write, every process reads all files
            note_intact(folder, manifest)


def note_intact(folder: Path, manifest: Manifest) -> None:
    """Note that all files of a package are as they must be now."""
    partial = folder / f"{CHECKED}.{os.getpid()}"
    notes = {name: [*_marks(folder / name), entry.sha256] for name, entry in manifest.files.items()}
    partial.write_text(json.dumps(notes) + "\n")
    partial.replace(folder / CHECKED)


def _marks(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _read(path: Path) -> tuple[dict[str, list[int | str]], int]:
    """What was noted of each file, its digest included, and when it was noted, in nanoseconds."""
    try:
        found, noted = json.loads(path.read_bytes()), path.stat().st_mtime_ns
    except (OSError, ValueError, RecursionError):
        return {}, 0
    return (found, noted) if isinstance(found, dict) else ({}, 0)
