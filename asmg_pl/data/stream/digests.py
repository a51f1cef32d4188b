"""Digests of a folder's files, by which a damaged file is recognised.

    part-00000/digests.json       the digest of each file ◀── its own digest is in stream.json

A file is checked when it is first used, so opening a stream reads no more than the list.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from asmg_pl.errors import DataError

FILE = "digests.json"
MEND = "restore it, or convert again"


def write_digests(folder: Path) -> str:
    """Write the digests of a folder's files into the folder, and return the digest of this list."""
    files = sorted(folder.iterdir())
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashlib works outside of Python's lock
        found = {path.name: digest for path, digest in zip(files, pool.map(_digest, files), strict=True)}
    (folder / FILE).write_text(json.dumps(found, indent=1) + "\n")
    return _digest(folder / FILE)


class Intact:
    """A check of files of a folder, which reads each file once."""

    def __init__(
        self,
        folder: Path,
        digest: str,
        files: Callable[[str], bool] = lambda name: True,
        mapped: Callable[[str], np.ndarray] | None = None,
    ) -> None:
        """Prepare the check; no file is read yet, but for the list of digests if the files are mapped.

        Args:
            folder: the folder.
            digest: the digest of its list of digests. It is empty for a folder of an older version, which cannot be
                checked.
            files: the names of the files to check.
            mapped: gives the content of a file that is mapped into memory, uint8. The folder is then needed no more,
                and may be gone when the check is called.
        """
        self._folder = folder
        self._mapped = mapped
        path = folder / FILE
        self._list = path.read_bytes() if mapped is not None and digest and path.is_file() else None
        self._digest = digest
        self._files = files
        self._waiting = bool(digest)

    def __call__(self) -> None:
        """Check the files, unless they were checked before.

        Raises:
            DataError: if a file is missing or damaged; the message names it.
        """
        if not self._waiting:
            return
        path, listed = self._folder / FILE, self._list
        if listed is None and path.is_file():
            listed = path.read_bytes()
        if listed is None or hashlib.sha256(listed).hexdigest() != self._digest:
            raise DataError(f"{path} is {'missing' if listed is None else 'damaged'}: {MEND}")
        for name, digest in json.loads(listed).items():
            if self._files(name):
                file = self._folder / name
                if self._mapped is None and not file.is_file():
                    raise DataError(f"{file} is missing: {MEND}")
                found = _digest(file) if self._mapped is None else hashlib.sha256(self._mapped(name).data).hexdigest()
                if found != digest:
                    raise DataError(f"{file} is damaged, its content is not what was written: {MEND}")
        self._waiting = False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
