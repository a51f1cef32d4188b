"""Stores of versions at an address, to read: the newest listing says which version serves."""

from __future__ import annotations

from pathlib import Path

from asmg_pl.serving.manifest import FILE
from asmg_pl.serving.store import FOLDER, Store, about_versions
from asmg_pl.storage.address import is_address
from asmg_pl.storage.copy import Copy


class StoreAt(Store):
    """A store at an address, which is followed: each look at the pointer is one at the newest listing."""

    def __init__(self, address: str) -> None:
        """Look at it.

        Args:
            address: of a store, or of a run, which has one.

        Raises:
            ConfigError: if there is nothing at the address.
            StorageError: if the object store does not answer.
        """
        self._address = address
        self._look()
        super().__init__(self.folder)

    def current(self) -> str | None:
        """See :meth:`Store.current`, of the newest listing."""
        if not self._copy.remote.is_newest(self._copy.listing):
            self._look()
        return super().current()

    def pointer(self) -> object:
        """See :meth:`Store.pointer`."""
        return self.current()

    def _look(self) -> None:
        self._copy, folder = Copy.view(self._address)
        self.folder = folder / FOLDER if (folder / FOLDER).is_dir() else folder
        within = self.folder.relative_to(self._copy.folder)
        self._copy.fetch(lambda path: Path(path).is_relative_to(within) and about_versions(path))


def store_at(place: str | Path) -> Store:
    """The store that a place is, or that of a run; a folder or an address."""
    if isinstance(place, str) and is_address(place):
        return StoreAt(place)
    of_run = Path(place) / FOLDER
    return Store(of_run if of_run.is_dir() else place)


def version_at(place: str | Path) -> Path | None:
    """The folder of the version that a place is; ``None`` if it is none, but perhaps a store."""
    if is_address(place):
        copy, folder = Copy.view(str(place))
        if (folder / FILE).is_symlink():
            copy.fetch(lambda path: (copy.folder / path).is_relative_to(folder))
    else:
        folder = Path(place)
    return folder if (folder / FILE).is_file() else None
