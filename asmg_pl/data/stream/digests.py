"""Digests of a folder's files, which tell a file that was damaged from one that is as it was written.

    part-00000/digests.json       file by file            ◀── its own digest stands in stream.json

A file is checked when it is first used, so that opening a stream reads none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from asmg_pl.errors import DataError

FILE = "digests.json"
MEND = "restore it, or convert again"


def write_digests(folder: Path) -> str:
    """Write the digests of a folder's files into it; the digest of this list."""
    found = {path.name: _digest(path) for path in sorted(folder.iterdir())}
    (folder / FILE).write_text(json.dumps(found, indent=1) + "\n")
    return _digest(folder / FILE)


class Intact:
    """Checks files of a folder, each once."""

    def __init__(self, folder: Path, digest: str, files: Callable[[str], bool] = lambda name: True) -> None:
        """Check nothing yet.

        Args:
            folder: the folder.
            digest: of its list of digests; empty if the folder was written before there were any, and then nothing can
                be checked.
            files: which files a call checks, by name.
        """
        self._folder = folder
        self._digest = digest
        self._files = files
        self._waiting = bool(digest)

    def __call__(self) -> None:
        """Check the files, unless they have been checked already.

        Raises:
            DataError: it names the file that is not as it was written.
        """
        if not self._waiting:
            return
        path = self._folder / FILE
        if not path.is_file() or _digest(path) != self._digest:
            raise DataError(f"{path} is {'damaged' if path.is_file() else 'missing'}: {MEND}")
        for name, digest in json.loads(path.read_bytes()).items():
            if self._files(name):
                file = self._folder / name
                if not file.is_file():
                    raise DataError(f"{file} is missing: {MEND}")
                if _digest(file) != digest:
                    raise DataError(f"{file} is damaged, its content is not what was written: {MEND}")
        self._waiting = False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
