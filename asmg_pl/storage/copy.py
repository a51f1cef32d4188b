"""A local copy of a folder at an address, in which the rest of the program reads and works.

    $ASMG_CACHE/views/1f3c…/00000012-9a2e…/clicks/     to read: a tree of links to the cache's files, of one listing
    $ASMG_CACHE/copies/1f3c…/clicks/                   to change: links too, until a file is written anew

A link leads nowhere until its file is fetched. A file that somebody writes takes the link's place, and goes up with the
next listing; a link that is moved or removed does so there too, whether or not its file was fetched.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakSet

from filelock import FileLock

from asmg_pl.errors import ConfigError
from asmg_pl.storage.address import shown
from asmg_pl.storage.blobs import Blobs, cache_folder
from asmg_pl.storage.listing import Entry, Listing
from asmg_pl.storage.names import name
from asmg_pl.storage.remote import RemoteFolder, entry_of
from asmg_pl.storage.tree import files_of, mark, set_aside
from asmg_pl.system.files import PARTIAL, remove, written_whole
from asmg_pl.system.lock import locked

log = logging.getLogger(__name__)

#: How many views of a folder are kept; a program that reads one of them may run for long.
VIEWS = 10

Wanted = Callable[[str], bool]


#: The copies that this process uses.
_COPIES: WeakSet[Copy] = WeakSet()


def bring(folder: Path) -> None:
    """Fetch the files below a folder, if it lies in a copy that this process uses.

    Raises:
        DataError: if the folder at the address has changed, and the store has one of them no more.
        StorageError: if the store does not give one.
    """
    for copy in list(_COPIES):
        if folder.is_relative_to(copy.folder):
            copy.fetch(lambda path, root=copy.folder: (root / path).is_relative_to(folder))  # type: ignore[misc]


@dataclass(frozen=True)
class Change:
    """What a copy has that its listing has not.

    Attributes:
        new: files to put up, by path in the folder.
        kept: files that stay as they were put up, by path.
        marks: size, time and inode number of new files, by path.
    """

    new: dict[str, Path]
    kept: dict[str, Entry]
    marks: dict[str, list[int]]


class Copy:
    """A local copy.

    Attributes:
        remote: the folder at its address.
        listing: the listing that the copy began with.
        folder: the local folder.
    """

    def __init__(self, remote: RemoteFolder, listing: Listing, folder: Path, works: bool) -> None:
        """Take what the class methods have found."""
        self.remote, self.listing, self.folder = remote, listing, folder
        self._works = works
        self._blobs = Blobs()
        name(folder, shown(remote.address))
        _COPIES.add(self)

    @classmethod
    def view(cls, address: str) -> tuple[Copy, Path]:
        """A copy to read, of the newest listing.

        Returns:
            The copy, and the path in it that the address means.

        Raises:
            ConfigError: if there is nothing at the address.
            StorageError: if the store does not answer.
        """
        remote, within = RemoteFolder.holding(address)
        listing = remote.newest()
        views = _home("views", remote)
        place = views / f"{listing.number:08d}-{listing.identity[:8]}"
        found = cls(remote, listing, place / _last_name(remote), works=False)
        with FileLock(_made(views) / ".lock"):
            if not found.folder.exists():
                aside = place.with_name(f"{place.name}{PARTIAL}")
                remove(aside)
                found._link(aside / found.folder.name)
                aside.rename(place)
                for old in sorted(path for path in views.iterdir() if path.is_dir())[:-VIEWS]:
                    remove(old)
        return found, found.folder / within

    @classmethod
    def work(cls, address: str, new: bool = False, several: bool = False) -> tuple[Copy, Path]:
        """The copy of this machine to work in, as the newest listing has it.

        Changes that a program has made here and not put up yet stay, unless the folder has changed since, or the copies
        of several machines had a part of them each.

        Args:
            address: of the folder, or of something in it.
            new: whether there may be nothing yet.
            several: whether other machines work in copies too, which must be the same. Then no change stays that is not
                put up.

        Returns:
            The copy, and the path in it that the address means.

        Raises:
            BusyError: if a walk of several machines is under way in the copy.
            ConfigError: if there is nothing at the address.
            StorageError: if the store does not answer.
        """
        remote, within = (RemoteFolder(address), "") if new else RemoteFolder.holding(address)
        home = _made(_home("copies", remote))
        with FileLock(home / ".lock"):
            here, newest = _state(home), remote.newest()
            found = cls(remote, here if here.number else newest, home / _last_name(remote), works=True)
            changed = (here.number, here.identity) != (newest.number, newest.identity)
            if (changed or several or (home / _PARTS).exists()) and (here.number or newest.number):
                found._begin_anew(newest)
        return found, found.folder / within

    def fetch(self, wanted: Wanted = lambda path: True) -> None:
        """Fetch files, unless they are there.

        Args:
            wanted: whether a path in the folder is wanted.

        Raises:
            DataError: if the folder has changed, and the store has one of them no more.
            StorageError: if the store does not give one.
        """
        links = {
            path: entry
            for path, entry in self.listing.files.items()
            if wanted(path) and (self.folder / path).is_symlink()
        }
        self.remote.fetch(links, self._blobs)
        for path, entry in links.items():
            if self._works and "/" not in path:  # it may grow in its place, which the cache's file must not
                with written_whole(self.folder / path) as partial:
                    shutil.copyfile(self._blobs.path(entry.sha256), partial)

    def change(self, aside: Path | None = None, fixed: Wanted = lambda path: False) -> Change:
        """What was changed here since the listing. Links that lead elsewhere are no part of the folder.

        Args:
            aside: a folder that gets what is to be put up, so that it may change here meanwhile.
            fixed: whether a file is never written again, so that a second name for it is enough.
        """
        self._see_others()
        listed = self.listing.files
        by_digest = {entry.sha256: entry for entry in listed.values()}
        marks = _marks_of(self._home)
        found = Change({}, {}, {})
        for path in files_of(self.folder):
            here = self.folder / path
            if here.is_symlink():
                leads = Path(os.readlink(here))
                if leads.name in by_digest and leads == self._blobs.path(leads.name):
                    found.kept[path] = by_digest[leads.name]
                continue
            now, entry = mark(here), listed.get(path)
            unchanged = entry is not None and "/" in path and marks.get(path) == now
            if entry is not None and (unchanged or entry_of(here, entry.object) == entry):
                found.kept[path] = entry
                continue
            found.new[path] = here if aside is None else set_aside(here, aside / path, fixed(path))
            found.marks[path] = now
        return found

    @contextmanager
    def in_parts(self) -> Iterator[None]:
        """A context in which this copy gets a part of each change, and the copies of other machines the others.

        Raises:
            BusyError: if another process of this machine is in such a context.
        """
        what = f"{shown(self.remote.address)} is walked on this machine"
        with locked(self._home / _PARTS, what, "wait for its end, or stop it", again=False):
            yield

    def link(self, files: Mapping[str, Entry]) -> None:
        """Have files of the listing that other machines have put up, as links, in folders that are still there."""
        for path, entry in files.items():
            if (self.folder / path).parent.is_dir():
                (self.folder / path).symlink_to(self._blobs.path(entry.sha256))

    def put(self, change: Change, always: bool = False, others: Callable[[], Mapping[str, Entry]] = dict) -> None:
        """Put a change up, in one step.

        Args:
            change: what was changed.
            always: whether a listing is written if nothing was changed, which keeps earlier writers out.
            others: gives files that other machines have put up with this change, see :meth:`RemoteFolder.publish`.

        Raises:
            BusyError: if another program has changed the folder since the listing.
            StorageError: if the store does not take it.
        """
        if not always and not change.new and change.kept == self.listing.files:
            return
        with FileLock(self._home / ".lock"):
            self._see_others()
            marks, going_up = _marks_of(self._home), self._home / _GOING_UP
            interrupted = going_up.exists()
            going_up.touch()
            self.listing = self.remote.publish(self.listing, change.new, change.kept, others)
            if interrupted:
                self.remote.sweep()
            going_up.unlink()
            self._note({path: mark for path, mark in marks.items() if path in change.kept} | change.marks)

    def _begin_anew(self, newest: Listing) -> None:
        """Have what the newest listing has, and nothing else.

        Raises:
            BusyError: if a walk of several machines is under way in the copy.
        """
        with self.in_parts():
            (self._home / _PARTS).unlink()
            same = (self.listing.number, self.listing.identity) == (newest.number, newest.identity)
            if self.folder.exists():
                change = self.change()
                if same and not change.new and change.kept == newest.files:
                    return
                if self.listing.number and change.new:
                    why = (
                        "is walked by several machines" if same else f"was changed by another machine ({newest.holder})"
                    )
                    log.warning("%s %s: what this machine had not put up is dropped", shown(self.remote.address), why)
            self.listing = newest
            remove(self.folder)
            self._link(self.folder)
            self._note({})

    def _see_others(self) -> None:
        """Go on from the listing that another program of this machine, or part of this one, has put up from here."""
        here = _state(self._home)
        self.listing = here if here.number else self.listing

    @property
    def _home(self) -> Path:
        return self.folder.parent

    def _link(self, folder: Path) -> None:
        for path, entry in self.listing.files.items():
            link = folder / path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(self._blobs.path(entry.sha256))
        if self.listing.number:
            folder.mkdir(parents=True, exist_ok=True)

    def _note(self, marks: dict[str, list[int]]) -> None:
        """Note what the copy is of; the marks go first, as old ones fit no file that is written later."""
        for file, content in ((_MARKS, json.dumps(marks).encode()), (_LISTING, self.listing.written())):
            with written_whole(self._home / file) as partial:
                partial.write_bytes(content)


#: Files beside a copy to work in: what it is of, its marks, and signs that a change is on its way up, and that the copy
#: has only a part of each change.
_LISTING, _MARKS, _GOING_UP, _PARTS = "listing.json", "marks.json", "going-up", "parts"


def _home(kind: str, remote: RemoteFolder) -> Path:
    known = hashlib.sha256(remote.address.encode()).hexdigest()[:16]
    return cache_folder().absolute() / kind / known


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be used as a cache ({error.strerror}): give a folder with ASMG_CACHE"
        ) from None
    return folder


def _last_name(remote: RemoteFolder) -> str:
    return remote.address.rpartition("/")[2] or "folder"


def _state(home: Path) -> Listing:
    try:
        return Listing.read((home / _LISTING).read_bytes())
    except (OSError, ValueError):
        return Listing()


def _marks_of(home: Path) -> dict[str, list[int]]:
    try:
        return dict(json.loads((home / _MARKS).read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}
