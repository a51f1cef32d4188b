"""``stream.json``: what a stream on disk consists of."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from asmg_pl.data.log import BLOCK, Sizes
from asmg_pl.errors import DataError

FILE = "stream.json"
FORMAT = "asmg stream"
VERSION = 1
MOST_CARRIED = 2**15 - 1  # which lengths of histories are stored in 16 bits

History = Literal["positive", "all"]


@dataclass(frozen=True)
class Part:
    """The rows of one append.

    Attributes:
        folder: its name within the stream's folder.
        rows: how many rows it has.
        entries: how many items its sequence has.
        users: how many users the stream has up to its end.
        items: how many items the stream has up to its end.
        first_time: the time of its first row.
        last_time: the time of its last row.
        digests: of the blocks of rows, counted over the whole stream, that end in it, see
            :meth:`~asmg_pl.data.log.InteractionLog.fingerprint`.
    """

    folder: str
    rows: int
    entries: int
    users: int
    items: int
    first_time: int
    last_time: int
    digests: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """What a stream consists of.

    Attributes:
        history: which rows enter later histories.
        carry: how many items of a user's past each part has at hand, and so the longest history that a row can have.
        categories: how many categories there are.
        context: the context features in their order, and how many values each has.
        parts: the parts in their order.
    """

    history: History
    carry: int
    categories: int
    context: dict[str, int]
    parts: tuple[Part, ...]

    @property
    def sizes(self) -> Sizes:
        """The numbers of users, items, categories and values of context features."""
        last = self.parts[-1]
        return Sizes(last.users, last.items, self.categories, tuple(self.context.values()))

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read a stream's manifest.

        Raises:
            DataError: if there is none, or it is of another format or version, or damaged.
        """
        path = folder / FILE
        if not path.is_file():
            raise DataError(f"{folder} is no stream, it has no {FILE}: give the folder that asmg convert has written")
        try:
            found = json.loads(path.read_bytes())
            if found["format"] != FORMAT:
                raise ValueError(f"its format is {found['format']!r}")
            if found["version"] != VERSION:
                raise DataError(f"{path} has version {found['version']} of the format, this program reads {VERSION}")
            parts = tuple(Part(**{**part, "digests": tuple(part["digests"])}) for part in found["parts"])
            manifest = cls(found["history"], found["carry"], found["categories"], dict(found["context"]), parts)
            manifest._check()
            if any(found[name] != count for name, count in manifest._totals().items()):
                raise ValueError("its parts do not add up to its counts")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{path} does not describe a stream ({error}): restore it, or convert again") from None
        return manifest

    def _totals(self) -> dict[str, int]:
        """Counts over all parts."""
        return {"rows": sum(p.rows for p in self.parts), "users": self.sizes.users, "items": self.sizes.items}

    def _check(self) -> None:
        """Refuse, with a ``ValueError``, what describes no stream."""
        parts = self.parts
        if not parts or [part.folder for part in parts] != [part_name(number) for number in range(len(parts))]:
            raise ValueError("its parts are not those of a stream")
        if self.history not in get_args(History):
            raise ValueError(f"its history is {self.history!r}")
        counts = [self.carry, self.categories, *self.context.values()]
        counts += [count for part in parts for count in (part.rows, part.entries, part.users, part.items)]
        times = [time for part in parts for time in (part.first_time, part.last_time)]
        if not all(type(number) is int for number in counts + times) or min(counts) < 0:
            raise ValueError("a count or a time in it is no whole number, or a count is below 0")
        for growing in (times, [part.users for part in parts], [part.items for part in parts]):
            if growing != sorted(growing):
                raise ValueError("its parts do not follow each other")
        if sum(len(part.digests) for part in parts) != sum(part.rows for part in parts) // BLOCK:
            raise ValueError("it has not a digest for each block of rows")

    def write(self, folder: Path) -> None:
        """Replace the stream's manifest in one step."""
        content: dict[str, Any] = {"format": FORMAT, "version": VERSION} | self._totals() | asdict(self)
        partial = folder / (FILE + ".partial")
        partial.write_text(json.dumps(content, indent=1) + "\n")
        sync(partial)
        partial.replace(folder / FILE)
        sync(folder)


def part_name(number: int) -> str:
    """The folder of a part, counted from 0."""
    return f"part-{number:05}"


def sync(path: Path) -> None:
    """Have a file's content, or a folder's list of files, written to the disk itself."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
