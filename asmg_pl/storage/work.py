"""Works on a place, a local folder or an address, in a local folder; what changes goes up at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from asmg_pl.errors import UserError
from asmg_pl.storage.address import is_address
from asmg_pl.storage.copy import Copy, Wanted


@contextmanager
def worked_on(place: str | Path, wanted: Wanted = lambda path: True, new: bool = False) -> Iterator[Path]:
    """Give the local folder to work in.

    Args:
        place: a folder, or an address.
        wanted: which files are fetched at the beginning, by their paths in the folder at the address.
        new: whether there may be nothing yet.

    Yields:
        The folder itself, or the copy of what is at the address. Its changes are put up afterwards, also after an error
        that leaves them as they are.

    Raises:
        BusyError: if another program has changed what is at the address meanwhile.
        ConfigError: if there is nothing at the address.
        StorageError: if the store does not answer, or does not take the changes.
    """
    if not is_address(place):
        yield Path(place)
        return
    copy, folder = Copy.work(str(place), new)
    copy.fetch(wanted)
    try:
        yield folder
    except UserError:
        with suppress(UserError):  # what went wrong first is the message
            copy.put(copy.change())
        raise
    copy.put(copy.change())
