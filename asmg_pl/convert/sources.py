"""The files that a stream's rows were read from, known by their content, so that no file is taken twice.

    part-00007/sources.json     joins the stream in one step with the rows of the part

A file counts as the same under any name, but not in another folder ``KEY=VALUE``, whose value is a column of its rows.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asmg_pl.data.stream.attached import attached
from asmg_pl.errors import DataError

#: The name of the file within a part.
SOURCES = "sources.json"


@dataclass(frozen=True)
class SourceFile:
    """A file of rows, as it was when it was looked at.

    Attributes:
        path: where it lies.
        size: its bytes.
        modified: when it was written last, in nanoseconds since 1970.
        digest: the SHA-256 of its content, and of the columns that the names of its folders give.
    """

    path: Path
    size: int
    modified: int
    digest: str

    @classmethod
    def read(cls, path: Path) -> SourceFile:
        """Look at a file, and digest its content.

        Raises:
            DataError: if the file cannot be read.
        """
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                digest = hashlib.file_digest(file, "sha256")
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}): see to the file") from None
        columns = "/".join(part for part in path.parent.parts if "=" in part)
        if columns:
            digest.update(f"\0{columns}".encode())
        return cls(path, status.st_size, status.st_mtime_ns, digest.hexdigest())

    def unchanged(self) -> bool:
        """Whether the file is there, and nothing was written to it since it was looked at."""
        now = self.path.stat() if self.path.exists() else None
        return now is not None and (now.st_size, now.st_mtime_ns) == (self.size, self.modified)

    def check_unchanged(self) -> None:
        """Check that nothing was written to the file since it was looked at.

        Raises:
            DataError: if something was.
        """
        if not self.unchanged():
            raise DataError(
                f"{self.path} was changed while it was read: nothing was written. Write a file under another name, "
                "and rename it when it is whole"
            )


def sources_of(paths: Sequence[Path]) -> list[SourceFile]:
    """Look at files; those that cannot be opened are left to the reader of tables, whose message says more."""
    return [SourceFile.read(path) for path in paths if path.is_file() and os.access(path, os.R_OK)]


def written(sources: Sequence[SourceFile]) -> bytes:
    """The files as they are kept with their rows."""
    rows = [{"name": source.path.name, "bytes": source.size, "sha256": source.digest} for source in sources]
    return (json.dumps(rows, indent=1) + "\n").encode()


def taken(stream: Path) -> dict[str, str]:
    """The names of the files whose rows a stream has, by digest. Older versions of the program have kept none.

    Raises:
        DataError: if there is no stream, or a list of files in it is damaged.
    """
    found: dict[str, str] = {}
    for content in attached(stream, SOURCES):
        try:
            found |= {str(row["sha256"]): str(row["name"]) for row in json.loads(content)}
        except (ValueError, KeyError, TypeError):
            raise DataError(f"a {SOURCES} of the stream in {stream} is no list of files: restore the stream") from None
    return found
