"""The objects below an address, through fsspec: read, put, created on a condition, listed and removed.

What passes by itself is tried again, longer and longer after the last time: a store that is overloaded or fails now and
then, a connection that is cut. What does not pass is one error, which says what is wrong and what to do.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from asmg_pl.errors import ConfigError, StorageError
from asmg_pl.storage.address import shown

#: Seconds for which one object is tried again, and the longest pause between two tries.
PATIENCE, LONGEST_PAUSE = 120.0, 10.0

#: What ``pip install 'asmg_pl[…]'`` brings the package for a kind of address.
_EXTRAS = {"s3": "remote", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure", "abfss": "azure"}

#: Errors that another try does not mend.
_LASTING = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, ValueError, TypeError)

Done = TypeVar("Done")


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a message of asyncio is more than that a connection was cut, of which :meth:`Bucket._tried` knows."""
    return not (record.exc_info and isinstance(record.exc_info[1], ConnectionError))


class Bucket:
    """Objects by name below an address.

    Examples:
        >>> bucket = Bucket("memory://docs/shop")
        >>> bucket.create("listings/1", b"one"), bucket.create("listings/1", b"two")
        (True, False)
        >>> bucket.read("listings/1"), bucket.names("listings"), bucket.names("nothing")
        (b'one', ['1'], [])
        >>> bucket.remove(["listings/1"])
    """

    def __init__(self, address: str) -> None:
        """Open a store; nothing is asked yet.

        Args:
            address: such as ``s3://bucket/folder``.

        Raises:
            ConfigError: if a package is missing that reads such addresses, or there is no such kind.
        """
        self.address = address.rstrip("/")
        self._store, self._root = self._opened()

    def read(self, name: str) -> bytes:
        """The content of an object.

        Raises:
            FileNotFoundError: if there is none.
            StorageError: if the store does not give it.
        """
        return self._tried(f"{name} cannot be read", lambda: self._store.cat_file(self._path(name)))

    def get(self, name: str, path: Path) -> None:
        """Fetch an object to a file, which is not checked.

        Raises:
            FileNotFoundError: if there is none.
            StorageError: if the store does not give it.
        """
        self._tried(f"{name} cannot be fetched", lambda: self._store.get_file(self._path(name), str(path)))

    def put(self, path: Path, name: str) -> None:
        """Put a file up; an older object is replaced.

        Raises:
            StorageError: if the store does not take it.
        """
        try:
            self._tried(f"{name} cannot be put up", lambda: self._store.put_file(str(path), self._path(name)))
        except FileNotFoundError as error:
            raise StorageError(f"{shown(self.address)}: {name} cannot be put up ({_reason(error)})") from None

    def create(self, name: str, content: bytes) -> bool:
        """Create an object, unless there is one: the store decides which of two writers does.

        Returns:
            Whether it was created. Also if the store has created it and its answer was lost.

        Raises:
            StorageError: if the store does not take it.
        """

        def attempt() -> bool:
            try:
                self._store.pipe_file(self._path(name), content, mode="create")
            except FileExistsError:
                return False
            return True

        try:
            return self._tried(f"{name} cannot be written", attempt) or self.read(name) == content
        except FileNotFoundError as error:
            raise StorageError(f"{shown(self.address)}: {name} cannot be written ({_reason(error)})") from None

    def replace(self, name: str, content: bytes) -> None:
        """Write an object, whether or not there is one.

        Raises:
            StorageError: if the store does not take it.
        """
        self._tried(f"{name} cannot be written", lambda: self._store.pipe_file(self._path(name), content))

    def names(self, folder: str, deep: bool = False) -> list[str]:
        """The names of the objects in a folder, below it, in ascending order.

        Args:
            folder: its name.
            deep: whether those in further folders are meant too.

        Raises:
            StorageError: if the store does not say.
        """
        root = self._path(folder).rstrip("/")

        def look() -> list[str]:
            self._store.invalidate_cache()
            try:
                return list(self._store.find(root) if deep else self._store.ls(root, detail=False))
            except FileNotFoundError:
                return []

        begin = f"{root.strip('/')}/"
        found = [path.strip("/") for path in self._tried(f"{folder or 'the folder'} cannot be listed", look)]
        return sorted(path.removeprefix(begin) for path in found if path.startswith(begin))

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; those that are gone already are passed over.

        Raises:
            StorageError: if the store does not.
        """
        for name in names:

            def attempt(path: str = self._path(name)) -> None:
                with suppress(FileNotFoundError):
                    self._store.rm_file(path)

            self._tried(f"{name} cannot be removed", attempt)

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def _opened(self, anew: bool = False) -> tuple[Any, str]:
        try:
            from fsspec.core import url_to_fs  # local folders need none of this
        except ModuleNotFoundError:
            raise ConfigError(f"{shown(self.address)} needs a package: pip install 'asmg_pl[remote]'") from None
        logging.getLogger("asyncio").addFilter(_is_news)
        options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": anew}
        if urlsplit(self.address).scheme in ("file", "local"):
            options["auto_mkdir"] = True
        try:
            return url_to_fs(self.address, **options)
        except ImportError as error:
            extra = _EXTRAS.get(urlsplit(self.address).scheme)
            mend = f"pip install 'asmg_pl[{extra}]'" if extra else " ".join(str(error).split())
            raise ConfigError(f"{shown(self.address)} needs a package: {mend}") from None
        except ValueError as error:
            raise ConfigError(
                f"{shown(self.address)} is no address of a store ({error}): give s3://…, gs://…"
            ) from None

    def _tried(self, what: str, call: Callable[[], Done]) -> Done:
        """Call until it works, or does not pass by itself, or :data:`PATIENCE` is over."""
        until, pause, renewed = time.monotonic() + PATIENCE, 0.2, False
        while True:
            try:
                return call()
            except _LASTING:
                raise
            except Exception as error:  # each kind of store has errors of its own
                refused = isinstance(error, PermissionError) or "Credential" in type(error).__name__
                if refused and renewed:
                    raise self._gave_up(what, error, "see to your rights there, and renew the credentials") from error
                if not refused and time.monotonic() + pause > until:
                    raise self._gave_up(what, error, "see to the store and the network, and call again") from error
            if refused:  # credentials on this machine may have been renewed since
                self._store, self._root = self._opened(anew=True)
                renewed = True
                continue
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE)

    def _gave_up(self, what: str, error: Exception, mend: str) -> StorageError:
        return StorageError(f"{shown(self.address)}: {what} ({_reason(error)}): {mend}")


def _reason(error: Exception) -> str:
    told = getattr(error, "strerror", None) or str(error)
    return (" ".join(str(told).split()) or type(error).__name__)[:300]
