"""The files of a folder that go up to an address, and how they are set aside until they have."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from asmg_pl.system.files import PARTIAL


def mark(path: Path) -> list[int]:
    """What tells two states of a file apart without reading it: its bytes, when it was written, and its inode."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def files_of(folder: Path) -> Iterator[str]:
    """The paths of a folder's files and links but for hidden and unfinished ones."""
    for place, inner, files in os.walk(folder):
        inner[:] = sorted(each for each in inner if not _passed_over(each))
        for each in sorted(files):
            if not _passed_over(each):
                yield (Path(place) / each).relative_to(folder).as_posix()


def _passed_over(each: str) -> bool:
    return (each.startswith(".") and each != ".metadata") or each.endswith(PARTIAL)  # torch calls a file so


def set_aside(path: Path, place: Path, fixed: bool) -> Path:
    """Keep a file as it is now at another place.

    Args:
        path: the file.
        place: the other place.
        fixed: whether the file is never written again, so that a second name for it is enough.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    if fixed:
        with suppress(OSError):  # some file systems have no links
            os.link(path, place)
            return place
    shutil.copy2(path, place)
    return place
