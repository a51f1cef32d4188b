"""Files that belong to the rows of a part, and join the stream in the same step."""

from __future__ import annotations

from pathlib import Path

from asmg_pl.data.stream.digests import Intact
from asmg_pl.data.stream.manifest import Manifest


def attached(folder: Path, name: str) -> list[bytes]:
    """Read the files of this name, part by part; parts without such a file are left out.

    Raises:
        DataError: if there is no stream, or a file of this name is damaged.
    """
    found = []
    for part in Manifest.read(folder).parts:
        path = folder / part.folder / name
        if path.is_file():
            Intact(path.parent, part.digest, lambda file: file == name)()
            found.append(path.read_bytes())
    return found
