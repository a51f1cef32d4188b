"""A store of versions: serving packages side by side, and a pointer to the one that serves.

    STORE/current                    the name of the version that serves
    STORE/served.json                the versions that have served, the oldest first, to go back to
    STORE/after-period-000031/       a version: a serving package, which never changes
    STORE/formats/…                  for other programs, a folder for each version that has been written so
    STORE/.lock                      locked by the program that writes

Every change is one step: a file or folder is written beside its place and renamed. A program that is killed leaves the
store as it was before the step, and the next writer removes the remains.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from asmg_pl.errors import PackageError
from asmg_pl.serving.intact import check_intact
from asmg_pl.serving.manifest import FILE, Manifest
from asmg_pl.storage.copy import bring
from asmg_pl.system.files import PARTIAL, remove, written_whole
from asmg_pl.system.lock import locked

#: The folder of a run that is its store.
FOLDER = "serving"

CURRENT, SERVED = "current", "served.json"

#: The folder with a folder for each version whose model has been written in other programs' formats.
FORMATS = "formats"

_REMOVING = ".removing-"
_VERSION = re.compile(r"after-period-(\d+)(?:-(\d+))?")


class Store:
    """A folder of versions.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     store = Store(folder)
        ...     store.versions(), store.current()
        ([], None)
    """

    def __init__(self, folder: str | Path, wait: float = 60.0) -> None:
        """Name the folder; it need not exist before something is written.

        Args:
            folder: of the store.
            wait: the seconds to wait for another program that is writing.
        """
        self.folder = Path(folder)
        self.wait = wait

    # ---- reading

    def versions(self) -> list[str]:
        """The names of all versions, the oldest period first."""
        found = [path.name for path in self.folder.glob("*/") if (path / FILE).is_file()]
        return sorted((name for name in found if not name.startswith(".") and not name.endswith(PARTIAL)), key=order)

    def current(self) -> str | None:
        """The name of the version that serves; ``None`` if nothing has been published.

        Raises:
            PackageError: if the pointer is damaged.
        """
        path = self.folder / CURRENT
        try:
            name = path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise PackageError(f"{path} cannot be read ({error}): name a version with asmg rollback --to") from None
        if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
            raise PackageError(f"{path} names no version: name one with asmg rollback --to VERSION")
        return name

    def pointer(self) -> object:
        """What changes when another version is to serve; ``None`` if nothing has been published."""
        try:
            found = (self.folder / CURRENT).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino

    def path(self, name: str | None = None) -> Path:
        """The folder of a version, by default of the one that serves; in a copy of a store elsewhere it is fetched.

        Raises:
            PackageError: if there is no such version, or none serves.
        """
        wanted = self.current() if name is None else name
        if wanted is None:
            raise PackageError(
                f"{self.folder} has no version that serves: write one with asmg export RUN, or with --export.keep"
            )
        if not (self.folder / wanted / FILE).is_file():
            there = ", ".join(self.versions()) or "none"
            missing = f"{self.folder} has no version {wanted!r:.80}"
            if name is None:
                missing += f", which {CURRENT} names: let another one serve (asmg rollback {self.folder} --to VERSION)"
            raise PackageError(f"{missing}: there are {there}")
        bring(self.folder / wanted)
        return self.folder / wanted

    def served(self) -> list[str]:
        """The versions that have served and are still there, the oldest first; the last one serves."""
        current = self.current()
        if current is None:
            return []
        try:
            found = json.loads((self.folder / SERVED).read_bytes())
        except (OSError, ValueError, RecursionError):
            found = []
        there = set(self.versions())
        names = [name for name in found if isinstance(name, str) and name in there] if isinstance(found, list) else []
        # A program may have been killed between the two files: the pointer is right.
        last = max((place for place, name in enumerate(names) if name == current), default=len(names))
        return [*names[:last], current]

    # ---- writing

    def lock(self) -> AbstractContextManager[None]:
        """Lock the store, so that no other program writes to it; a program that has the lock may take it again.

        Raises:
            BusyError: if another program has it for longer than ``wait``.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        return locked(self.folder / ".lock", f"the store {self.folder} is being written", "try again later", self.wait)

    def add(self, period: int, write: Callable[[Path], None]) -> str:
        """Add the package of a period. It does not serve before it is published.

        A version never changes. If the store has another package of this period, as after a walk that went another
        way, the new one gets a number at its name: ``after-period-000031-2``. If it has the same, nothing is added.

        Args:
            period: after which the package stands.
            write: writes the package to a folder.

        Returns:
            The name of the version.
        """
        name = f"after-period-{period:06d}"
        with self.lock():
            self.sweep()
            target = self.folder / f".{name}"
            remove(target)
            write(target)
            made = Manifest.read(target)
            twins = [each for each in self.versions() if (order(each)[0], order(each)[1]) == (1, period)]
            for twin in twins:
                if Manifest.read(self.folder / twin).same_model(made):
                    remove(target)
                    return twin
            if (self.folder / name).exists():
                name = f"{name}-{max(max(order(twin)[2] for twin in twins) if twins else 1, 1) + 1}"
            target.rename(self.folder / name)
        return name

    def publish(self, name: str) -> None:
        """Let a version serve, in one step.

        Raises:
            PackageError: if there is no such version, or a file of it is damaged.
        """
        with self.lock():
            path = self.path(name)
            check_intact(path, Manifest.read(path), verify=False)
            before = self.served()
            self._point(name, before if before[-1:] == [name] else [*before, name])

    def rollback(self, steps: int = 1, to: str | None = None) -> str:
        """Let an earlier version serve again.

        Args:
            steps: how many versions to go back, in the order in which they have served.
            to: the name of the version; ``steps`` does not count then.

        Returns:
            The name of the version that serves now.

        Raises:
            PackageError: if there is no such version, or a file of it is damaged.
        """
        with self.lock():
            served = self.served()
            if to is None:
                if not 1 <= steps < len(served):
                    before = ", ".join(reversed(served[:-1])) or "none"
                    raise PackageError(
                        f"{self.folder} cannot go back by {steps}: before {self.current()}, these have served and are "
                        f"still there: {before}. Name any other version with --to"
                    )
                served = served[:-steps]
            else:
                place = served.index(to) + 1 if to in served else len(served)
                served = served[:place] if to in served else [*served, to]
            path = self.path(served[-1])
            check_intact(path, Manifest.read(path))
            self._point(served[-1], served)
        return served[-1]

    def prune(self, keep: int) -> list[str]:
        """Remove all versions but the newest ones and the one that serves.

        Args:
            keep: how many of the newest versions stay, at least 1.

        Returns:
            The names of the removed versions.
        """
        if keep < 1:
            raise ValueError(f"at least one version must be kept, got {keep}")
        with self.lock():
            return self.remove(self.versions()[:-keep])

    def remove(self, names: list[str]) -> list[str]:
        """Remove versions; the one that serves stays.

        Args:
            names: of the versions.

        Returns:
            The names of the removed versions.
        """
        with self.lock():
            current, removed = self.current(), []
            for name in names:
                if name == current:
                    continue
                aside = self.folder / f"{_REMOVING}{name}"
                (self.folder / name).rename(aside)  # in one step, so that no half of a package can be opened
                remove(aside)
                removed.append(name)
            self.sweep()
        return removed

    def sweep(self) -> None:
        """Remove what killed programs have left, and the formats of versions that are gone."""
        with self.lock():
            for path in self._remains():
                remove(path)

    def _point(self, name: str, served: list[str]) -> None:
        for path, text in ((CURRENT, f"{name}\n"), (SERVED, json.dumps(served, indent=1) + "\n")):
            with written_whole(self.folder / path) as partial:
                partial.write_text(text, encoding="utf-8")

    def _remains(self) -> Iterator[Path]:
        for path in self.folder.iterdir():
            if path.name.startswith((_REMOVING, ".after-period-")):
                yield path
        versions = self.versions()
        for path in (self.folder / FORMATS).glob("*") if versions else ():  # a store may have formats alone
            if path.name not in versions and not path.name.endswith(PARTIAL):
                yield path


def order(name: str) -> tuple[int, int, int, str]:
    """The place of a version's name among others: by period, then by number; other names stand first."""
    found = _VERSION.fullmatch(name)
    return (1, int(found[1]), int(found[2] or 1), "") if found else (0, 0, 0, name)


def about_versions(path: str) -> bool:
    """Whether a file, by its path in a run or a store, is more than the content of a version.

    The others are fetched when a version is used.
    """
    name = path.rpartition("/")[2]
    return name == "formats.json" or not (name.endswith(".npy") or f"/{FORMATS}/" in f"/{path}")
