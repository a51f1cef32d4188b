"""A listing: which files a folder at an address has, by one number more with each change.

{"format": "asmg folder", "number": 12, "files": {"stream.json": {"bytes": 812, "sha256": …, "object": …}, …}, …}
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

FORMAT, VERSION = "asmg folder", 1


@dataclass(frozen=True)
class Entry:
    """A file of a listing.

    Attributes:
        bytes: its size.
        sha256: its digest.
        object: the name of the object with its content.
    """

    bytes: int
    sha256: str
    object: str


@dataclass(frozen=True)
class Listing:
    """The files of a folder.

    Attributes:
        number: of the listing; 0 if the folder has none yet.
        files: by path in the folder, with ``/``.
        dropped: objects that the listing before had, which the next change removes. Readers of that listing may still
            want them.
        identity: a random number, by which its writer knows it.
        writer: the process, host and time that wrote it.
    """

    number: int = 0
    files: Mapping[str, Entry] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    identity: str = field(default_factory=lambda: uuid.uuid4().hex)
    writer: Mapping[str, Any] = field(default_factory=dict)

    def next(self, files: Mapping[str, Entry], identity: str) -> Listing:
        """The listing after this one."""
        kept = {entry.object for entry in files.values()}
        dropped = tuple(sorted({entry.object for entry in self.files.values()} - kept))
        since = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        writer = {"process": os.getpid(), "host": socket.gethostname(), "since": since}
        return Listing(self.number + 1, dict(sorted(files.items())), dropped, identity, writer)

    @property
    def holder(self) -> str:
        """Who wrote it, for messages."""
        told = self.writer
        return f"process {told.get('process')} on {str(told.get('host'))[:80]}, {str(told.get('since'))[:40]}"

    def written(self) -> bytes:
        """The listing as it is kept."""
        content = {"format": FORMAT, "version": VERSION} | asdict(self)
        content["checksum"] = _checksum(content)
        return (json.dumps(content, indent=1) + "\n").encode()

    @classmethod
    def read(cls, content: bytes) -> Listing:
        """Read a listing as it is kept.

        Raises:
            ValueError: if it is none; the message says why.
        """
        try:
            found = json.loads(content)
            if found.pop("checksum") != _checksum(found):
                raise ValueError("its content is not what was written")
            if (found.pop("format"), found.pop("version")) != (FORMAT, VERSION):
                raise ValueError("it is of another version of asmg_pl: update asmg_pl")
            files = {path: Entry(**entry) for path, entry in found.pop("files").items()}
            if odd := [path for path in files if not _is_within(path)]:
                raise ValueError(f"{odd[0]!r:.80} is no path in a folder")
            return cls(files=files, dropped=tuple(found.pop("dropped")), **found)
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"it is no listing ({error})") from None


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _is_within(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts and "\0" not in path and "\\" not in path
