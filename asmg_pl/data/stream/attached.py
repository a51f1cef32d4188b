"""Files that belong to the rows of a part, and join the stream in the same step."""

from __future__ import annotations

from pathlib import Path

from asmg_pl.data.stream.digests import Intact
from asmg_pl.data.stream.manifest import Manifest, Part
from asmg_pl.data.stream.reader import while_parts_stay
from asmg_pl.errors import DataError


def attached(folder: Path, name: str) -> list[bytes]:
    """Read the files of this name, part by part; parts without such a file are left out.

    Raises:
        DataError: if there is no stream, or a file of this name is damaged.
    """

    def read(manifest: Manifest) -> list[bytes]:
        found = [attached_to(folder, part, name) for part in manifest.parts]
        if Manifest.read(folder).generation != manifest.generation:
            raise DataError(f"the parts of the stream in {folder} were merged meanwhile: try again")
        return [content for content in found if content is not None]

    return while_parts_stay(folder, read)


def attached_to(folder: Path, part: Part, name: str) -> bytes | None:
    """Read the file of this name in a part; ``None`` if the part has no such file.

    Raises:
        DataError: if the file is damaged.
    """
    path = folder / part.folder / name
    if not path.is_file():
        return None
    Intact(path.parent, part.digest, lambda file: file == name)()
    return path.read_bytes()
