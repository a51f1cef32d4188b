"""The lock for appends, the folder in which a new part is written, and the removal of unfinished parts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from uuid import uuid4

from asmg_pl.data.stream.manifest import Manifest
from asmg_pl.system.lock import locked

_WRITING = ".writing-"
_OURS = re.compile(rf"(part|index)-\d{{5,}}(-\d+)?|{re.escape(_WRITING)}.*")


def stream_lock(folder: Path, wait: float = 0.0) -> AbstractContextManager[None]:
    """Lock a stream, so that no other program appends to it; see :func:`asmg_pl.system.lock.locked`."""
    return locked(
        folder / ".lock",
        f"the stream {folder} is being written",
        "try again when it is done, or wait for it with --wait SECONDS",
        wait,
    )


@contextmanager
def aside(folder: Path) -> Iterator[Path]:
    """Make a folder within the stream's folder to write in. It is removed afterwards, unless it was renamed."""
    place = folder / f"{_WRITING}{uuid4().hex}"
    place.mkdir()
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def sweep(folder: Path, manifest: Manifest) -> None:
    """Remove unfinished folders of interrupted appends, and old indices. The caller holds the stream's lock."""
    parts = manifest.parts
    named = {part.folder for part in parts} | ({index_name(len(parts) - 1)} if parts else set())
    for path in folder.iterdir():
        if _OURS.fullmatch(path.name) and path.name not in named:
            shutil.rmtree(path, ignore_errors=True)


def index_name(part: int) -> str:
    """The name of the folder of the index that covers the stream up to a part."""
    return f"index-{part:05}"
