"""The folder in which a conversion writes, and a look at what it reads and at what the stream has."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from asmg_pl.convert.kept import publish
from asmg_pl.convert.sources import SourceFile, sources_of, taken
from asmg_pl.data.stream import stream_lock
from asmg_pl.data.stream.manifest import Manifest
from asmg_pl.data.tables.opening import input_files
from asmg_pl.errors import ConfigError
from asmg_pl.system.files import sync
from asmg_pl.system.lock import locked


@contextmanager
def place(folder: Path, append: bool, wait: float) -> Iterator[Path]:
    """Lock and give the folder to write in; a new stream is written beside its place, and moves there when whole."""
    if append:
        Manifest.read(folder)  # leave a folder that is no stream as it is
        with stream_lock(folder, wait):
            publish(folder)  # a killed append may have left this undone
            yield folder
        return
    aside = folder.parent / f".{folder.name}.partial"
    aside.mkdir(parents=True, exist_ok=True)
    with locked(aside / ".lock", f"{folder} is being converted", "choose another --out", wait):
        stream = aside / "stream"
        try:
            if folder.exists():
                raise ConfigError(f"{folder} has been made meanwhile: choose another --out, or add rows with --append")
            shutil.rmtree(stream, ignore_errors=True)  # the remains of a killed conversion
            yield stream
            sync(stream)
            stream.rename(folder)
            sync(folder.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def looked_at(files: Sequence[str | Path], stream: Path, append: bool) -> tuple[list[SourceFile], dict[Path, str]]:
    """Look at files before they are read.

    Returns:
        The files, and the earlier names of those that the stream has taken before, by path.
    """
    sources = sources_of(input_files(files))
    had = taken(stream) if append else {}
    return sources, {source.path: had[source.digest] for source in sources if source.digest in had}
