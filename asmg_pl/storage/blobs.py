"""This machine's cache of fetched files, by their digests: each is fetched once, whichever program needs it.

    $ASMG_CACHE/blobs/3f/3fa2b1…       a file with this SHA-256, which appears whole

The cache is bounded by ``ASMG_CACHE_SIZE``: the files that were needed longest ago make room for new ones.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from filelock import FileLock

from asmg_pl.errors import ConfigError, StorageError
from asmg_pl.system.files import storage_reason, sync

#: The cache's size where ``ASMG_CACHE_SIZE`` says nothing.
SIZE = "50GB"

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def cache_folder() -> Path:
    """The folder of the cache: ``ASMG_CACHE``, or ``asmg`` in the user's folder of caches."""
    given = os.environ.get("ASMG_CACHE")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asmg"


def cache_size() -> int:
    """The most bytes that the cache holds.

    Raises:
        ConfigError: if ``ASMG_CACHE_SIZE`` is no size.

    Examples:
        >>> cache_size()
        50000000000
    """
    given = os.environ.get("ASMG_CACHE_SIZE") or SIZE
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", given.strip().upper())
    if not found:
        raise ConfigError(f"ASMG_CACHE_SIZE is {given!r}, which is no size: give 20GB or 500MB, for example")
    return int(float(found[1]) * _UNITS[found[2]])


class Blobs:
    """The cache's files.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> digest = hashlib.sha256(b"clicks").hexdigest()
        >>> with TemporaryDirectory() as folder:
        ...     blobs = Blobs(Path(folder))
        ...     blobs.fetch(digest, 6, lambda path: path.write_bytes(b"clicks")).read_bytes()
        b'clicks'
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Name the folder; by default that of this machine's cache."""
        self.folder = (folder or cache_folder()).absolute() / "blobs"

    def path(self, digest: str) -> Path:
        """Where the file with a digest is, or would be."""
        return self.folder / digest[:2] / digest

    def make_room(self, sizes: Mapping[str, int]) -> None:
        """Remove the files that were needed longest ago, so that there is room for others.

        Args:
            sizes: of files that are needed now, by digest. If they are larger than the cache, nothing else stays.
        """
        missing = sum(size for digest, size in sizes.items() if not _used(self.path(digest), size))
        over, there = missing - cache_size(), []
        if not missing:
            return
        for path in self.folder.glob("*/*"):
            with suppress(FileNotFoundError):  # another program makes room too
                if not path.name.startswith("."):
                    there.append((path.stat().st_atime_ns, path.stat().st_size, path))
        over += sum(size for _, size, _ in there)
        for _, freed, path in sorted(there):
            if over <= 0:
                return
            if path.name not in sizes:
                path.unlink(missing_ok=True)
                over -= freed

    def fetch(self, digest: str, size: int, get: Callable[[Path], object]) -> Path:
        """The file with a digest, which is fetched unless it is there; see :meth:`make_room`.

        Args:
            digest: its SHA-256.
            size: its bytes.
            get: fetches it to a path.

        Raises:
            FileNotFoundError: if the store has it no more.
            StorageError: if it cannot be fetched or kept, or is not what was put up.
        """
        path = self.path(digest)
        if _used(path, size):
            return path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.parent / ".lock"):
                if not _used(path, size):
                    self._get(path, digest, size, get)
        except FileNotFoundError:
            raise
        except OSError as error:
            if isinstance(error, StorageError):
                raise
            raise StorageError(
                f"{self.folder} cannot keep what is fetched ({storage_reason(error)}): make room, give another folder "
                "with ASMG_CACHE, or a smaller size with ASMG_CACHE_SIZE"
            ) from error
        return path

    def _get(self, path: Path, digest: str, size: int, get: Callable[[Path], object]) -> None:
        partial = path.with_name(f".{uuid4().hex}")
        try:
            for _ in range(3):  # what was cut or changed on its way comes whole the next time
                get(partial)
                with partial.open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
                if found == digest:
                    sync(partial)
                    partial.replace(path)
                    return
            raise StorageError(
                f"an object in the store is damaged: it has {partial.stat().st_size:,} bytes with other content than "
                f"the {size:,} that were put up, in three tries. Restore it, or put the folder up again"
            )
        finally:
            partial.unlink(missing_ok=True)


def _used(path: Path, size: int) -> bool:
    """Whether a file is there, which is needed now: the time of access says so, and that of writing stays."""
    try:
        found = path.stat()
        if found.st_size != size:
            return False
        os.utime(path, ns=(time.time_ns(), found.st_mtime_ns))
    except OSError:
        return False
    return True
