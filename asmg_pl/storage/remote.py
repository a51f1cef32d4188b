"""A folder at an address: its newest listing, its files, and the next listing, which one writer can create."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from asmg_pl.errors import BusyError, ConfigError, DataError
from asmg_pl.storage.address import shown
from asmg_pl.storage.blobs import Blobs
from asmg_pl.storage.bucket import Bucket
from asmg_pl.storage.listing import Entry, Listing

LISTINGS, FILES = "listings", "files"

#: Files that are fetched or put up at a time.
AT_ONCE = 8

_LISTING = re.compile(r"(\d{8})\.json")
_LOOKS = 20


class RemoteFolder:
    """A folder at an address.

    Attributes:
        address: of the folder.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> shop = RemoteFolder("memory://docs/remote")
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "note")
        ...     _ = path.write_text("open")
        ...     first = shop.publish(Listing(), {"note": path})
        >>> shop.newest().number, list(shop.newest().files), RemoteFolder.holding("memory://docs/remote/sub/note")[1]
        (1, ['note'], 'sub/note')
    """

    def __init__(self, address: str) -> None:
        """Name it; nothing is asked yet."""
        self.address = address.rstrip("/")
        self._bucket = Bucket(self.address)

    @classmethod
    def holding(cls, address: str) -> tuple[RemoteFolder, str]:
        """The folder that an address is of or lies in, and the path within it.

        Raises:
            ConfigError: if there is none.
        """
        scheme, _, path = address.rstrip("/").partition("://")
        parts = path.split("/")
        for end in range(len(parts), 0, -1):
            if parts[end - 1]:
                found = cls(f"{scheme}://{'/'.join(parts[:end])}")
                if found.newest().number:
                    return found, "/".join(parts[end:])
        raise ConfigError(
            f"there is nothing of asmg at {shown(address)}: see to the address, and to the bucket's name and rights"
        )

    @classmethod
    def below(cls, address: str) -> list[str]:
        """The paths below an address at which there are folders, ascending; ``""`` is the address itself."""
        names = Bucket(address).names("", deep=True)
        ends = {name.rpartition(f"{LISTINGS}/")[0].rstrip("/") for name in names if _LISTING.fullmatch(_last(name))}
        return sorted(ends)

    def newest(self) -> Listing:
        """The newest listing; one with number 0 and without files, if there is none.

        Raises:
            DataError: if it is damaged.
            StorageError: if the store does not give it.
        """
        for _ in range(_LOOKS):
            numbers = [int(found[1]) for name in self._bucket.names(LISTINGS) if (found := _LISTING.fullmatch(name))]
            if not numbers:
                return Listing()
            name = _name(max(numbers))
            try:
                if content := self._bucket.read(name):
                    return Listing.read(content)
            except FileNotFoundError:
                pass
            except ValueError as error:
                raise DataError(f"{shown(self.address)}/{name} cannot be used: {error}") from None
            # A newer one has been written since, so look again.
        raise DataError(f"{shown(self.address)}/{name} is empty: restore it, or remove it to go back to the one before")

    def is_newest(self, listing: Listing) -> bool:
        """Whether there is no later listing; asks for one name only."""
        try:
            self._bucket.read(_name(listing.number + 1))
        except FileNotFoundError:
            return True
        return False

    def fetch(self, entries: Mapping[str, Entry], blobs: Blobs) -> None:
        """Fetch files into the cache, several at a time.

        Raises:
            DataError: if the store has one of them no more.
            StorageError: if the store does not give it, or it is damaged.
        """
        blobs.make_room({entry.sha256: entry.bytes for entry in entries.values()})

        def one(path: str) -> None:
            entry = entries[path]
            try:
                blobs.fetch(entry.sha256, entry.bytes, lambda partial: self._bucket.get(entry.object, partial))
            except FileNotFoundError:
                raise DataError(
                    f"{shown(self.address)} has {path} no more: another program has changed the folder meanwhile. Call "
                    "again"
                ) from None

        _each(one, list(entries))

    def put_up(self, new: Mapping[str, Path], number: int) -> dict[str, Entry]:
        """Put files up for a listing that there is not yet.

        Args:
            new: the files, by path in the folder.
            number: of the listing.

        Returns:
            The files as the listing will have them, by path.

        Raises:
            StorageError: if the store does not take them.
        """
        identity, files = uuid.uuid4().hex[:8], dict[str, Entry]()

        def one(path: str) -> None:
            # Each upload has an object of its own, so that no writer changes what another one has listed.
            entry = entry_of(new[path], f"{FILES}/{path}.{number}-{identity}")
            self._bucket.put(new[path], entry.object)
            files[path] = entry

        _each(one, list(new))
        return files

    def publish(
        self,
        base: Listing,
        new: Mapping[str, Path],
        kept: Mapping[str, Entry] | None = None,
        others: Callable[[], Mapping[str, Entry]] = dict,
    ) -> Listing:
        """Change the folder in one step: the new files first, then the listing after ``base``.

        Args:
            base: the listing that the change begins with.
            new: the files to put up, by path in the folder.
            kept: files that stay as ``base`` has them, by path.
            others: gives files that other machines have put up for the same listing, by path; called when the new files
                are up.

        Returns:
            The new listing.

        Raises:
            BusyError: if another program has changed the folder since ``base``. What it has written stays.
            StorageError: if the store does not take it. The folder is as it was.
        """
        own = self.put_up(new, base.number + 1)
        listing = base.next({**(kept or {}), **own, **others()}, uuid.uuid4().hex)
        if not self._bucket.create(_name(listing.number), listing.written()):
            self._bucket.remove(entry.object for entry in own.values())
            holder = self.newest().holder
            raise BusyError(
                f"another program has changed {shown(self.address)} meanwhile ({holder}), and what it has written "
                "stays: let one program at a time write there, and call again"
            )
        self._tidy(base, listing)
        return listing

    def sweep(self) -> None:
        """Remove objects that interrupted writers have left."""
        newest = self.newest()
        known = {entry.object for entry in newest.files.values()} | set(newest.dropped)
        left = []
        for name in self._bucket.names(FILES, deep=True):
            number = re.search(r"\.(\d+)-[0-9a-f]{8}$", name)
            # A writer that is still putting files up writes them for a listing that there is not yet.
            if number and int(number[1]) <= newest.number and f"{FILES}/{name}" not in known:
                left.append(f"{FILES}/{name}")
        self._bucket.remove(left)

    def _tidy(self, base: Listing, listing: Listing) -> None:
        """Remove what nobody reads any more. The number of an old listing stays taken, so that no late writer gets it.

        Readers of the listing before may still want its files, which go with the next change.
        """
        if base.number:
            self._bucket.remove(set(base.dropped) - {entry.object for entry in listing.files.values()})
            self._bucket.replace(_name(base.number), b"")


def entry_of(path: Path, name: str) -> Entry:
    """A file as a listing has it, under the name of an object."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Entry(file.tell(), digest, name)


def _each(call: Callable[[str], None], paths: list[str]) -> None:
    if paths:
        pool = ThreadPoolExecutor(min(AT_ONCE, len(paths)))
        try:
            for done in [pool.submit(call, path) for path in paths]:
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _name(number: int) -> str:
    return f"{LISTINGS}/{number:08d}.json"


def _last(name: str) -> str:
    return name.rpartition("/")[2]
