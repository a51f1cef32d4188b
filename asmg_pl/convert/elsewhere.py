"""Streams that are written at an address: made on this machine, and put up when they are whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asmg_pl.errors import ConfigError
from asmg_pl.storage.address import is_address, shown
from asmg_pl.storage.copy import Copy
from asmg_pl.storage.work import worked_on


@contextmanager
def written_at(out: str | Path, append: bool = False) -> Iterator[Path]:
    """Give the local folder of a stream that is to be written or appended to.

    Args:
        out: the stream's folder, or its address.
        append: whether rows are added to a stream that is there.

    Yields:
        The folder. What is written there is put up afterwards: parts first, and in one step with the list of files, so
        that of two writers one is refused.

    Raises:
        BusyError: if another program has written the stream meanwhile.
        ConfigError: if there is a stream at the address, and nothing is to be appended, or the other way round.
        StorageError: if the store does not answer, or does not take the stream.
    """
    if is_address(out) and not append:
        copy, folder = Copy.work(str(out), new=True)
        if copy.listing.number:
            raise ConfigError(f"{shown(str(out))} exists: choose another --out, or add newer rows to it with --append")
        shutil.rmtree(folder, ignore_errors=True)  # the remains of a conversion that was not put up
    with worked_on(out, new=not append) as folder:
        yield folder
