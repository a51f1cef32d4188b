"""One program at a time: a lock that the operating system lets go of when its holder ends, however it ends."""

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
    """Hold a lock.

    Args:
        path: the file that is locked. It stays there, empty; beside it, with ``.holder`` at its end, stands who holds
            it as long as somebody does.
        what: what the lock is for, as in "the stream streams/clicks is being written".
        mend: what the other program's user can do beside waiting.
        wait: seconds to wait for another program to end.
        again: whether the process that holds it already may ask for it again.

    Raises:
        BusyError: if another program holds it; the message says which.
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
    except (OSError, ValueError, KeyError, TypeError):  # it has just begun, or is just ending
        return ""
