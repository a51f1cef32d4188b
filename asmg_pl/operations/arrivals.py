"""The files of a folder that have arrived whole, in the order in which they are to be taken."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from asmg_pl.convert.sources import SourceFile
from asmg_pl.data.tables.opening import input_files

Order = Literal["name", "time"]

#: Endings of names under which programs write files that are not whole yet.
UNFINISHED = (".tmp", ".temp", ".part", ".partial", ".crdownload", ".filepart", ".swp", "~")

#: What tells two states of a file apart without reading it: its inode, its bytes, and when it was written last.
State = tuple[int, int, int]


class Arrivals:
    """Watches a folder for files that nobody writes to any more.

    A file has arrived when its size and its time are the same at two looks in a row. A file whose name begins with a
    dot or an underscore, or ends as those in :data:`UNFINISHED`, is being written: its writer renames it when it is
    whole. Files are taken in their order. So one that is still being written holds back those after it, whose rows
    would otherwise make its own rows late.

    Attributes:
        folder: the folder, whose folders are looked into too.
        order: by the files' paths, or by the time when they were written last.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     arrivals = Arrivals(Path(folder))
        ...     for name in ("day-2.csv", "day-1.csv", "day-3.csv.tmp"):
        ...         _ = Path(folder, name).write_text("user,item,time")
        ...     first = arrivals.look({})
        ...     first, [source.path.name for source in arrivals.look({})]
        ([], ['day-1.csv', 'day-2.csv'])
    """

    def __init__(self, folder: Path, order: Order = "name") -> None:
        """Look at nothing yet."""
        self.folder = folder
        self.order = order
        self._seen: dict[Path, State] = {}  # at the last look
        self._read: dict[tuple[Path, State], SourceFile] = {}

    def look(self, taken: Mapping[str, str]) -> list[SourceFile]:
        """Look at the folder once; call it again after a while.

        Args:
            taken: the digests of files that were taken before.

        Returns:
            The files that have arrived and were not taken, in their order, up to the first one that is being written.
        """
        now = {path: state for path in input_files([self.folder]) if finished(path) and (state := _state(path))}
        before, self._seen = self._seen, now
        self._read = {key: source for key, source in self._read.items() if now.get(key[0]) == key[1]}
        found = []
        for path in sorted(now, key=lambda path: (now[path][2] if self.order == "time" else 0, path)):
            if before.get(path) != now[path] or not now[path][1]:  # a file without a byte has only been made
                break
            if (path, now[path]) not in self._read:
                self._read[path, now[path]] = SourceFile.read(path)
            if (source := self._read[path, now[path]]).digest not in taken:
                found.append(source)
        return found


def finished(path: Path) -> bool:
    """Whether a file's name does not say that the file is being written.

    Examples:
        >>> finished(Path("2024-04-19.csv")), finished(Path("2024-04-19.csv.tmp")), finished(Path(".2024-04-19.csv"))
        (True, False, False)
    """
    return not path.name.startswith((".", "_")) and not path.name.lower().endswith(UNFINISHED)


def _state(path: Path) -> State | None:
    """The state of a file; ``None`` if it has gone since its folder was listed."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
