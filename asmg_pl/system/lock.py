"""A lock for one program at a time. The operating system releases it when its holder ends, however it ends."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from asmg_pl.errors import BusyError


@contextmanager
def locked(path: Path, what: str, mend: str, wait: float = 0.0, again: bool = True) -> Iterator[None]:
    """Hold a lock on a file.

    Args:
        path: the file to lock. It stays, empty. While the lock is held, a file with ``.holder`` appended to the name
            says who holds it.
        what: the purpose of the lock, as in "the stream streams/clicks is being written".
        mend: the advice to the user of a second program, for the message.
        wait: the seconds to wait for another program.
        again: whether a process that holds the lock may lock it again.

    Raises:
        BusyError: if another program holds the lock; the message names this program.
    """
    lock = FileLock(path.resolve(), is_singleton=again)
    try:
        lock.acquire(timeout=wait, poll_interval=0.05)
    except Timeout:
        raise BusyError(f"{what} by another program{_holder(path)}: {mend}") from None
    holder = _beside(path)
    try:
        if lock.lock_counter == 1:
            since = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
            holder.write_text(json.dumps({"process": os.getpid(), "host": socket.gethostname(), "since": since}) + "\n")
        yield
    finally:
        if lock.lock_counter == 1:
            holder.unlink(missing_ok=True)
        lock.release()


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".holder")


def _holder(path: Path) -> str:
    try:
        found = json.loads(_beside(path).read_bytes())
        return f", process {int(found['process'])} on {found['host']!s:.80} since {found['since']!s:.40}"
    except (OSError, ValueError, KeyError, TypeError):  # its holder has just begun, or is just ending
        return ""
