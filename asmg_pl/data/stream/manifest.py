"""Reads and writes ``stream.json``, the list of a stream's parts."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from asmg_pl.data.features import Features
from asmg_pl.data.fingerprint import BLOCK
from asmg_pl.data.schema import PLAIN
from asmg_pl.data.sizes import Sizes
from asmg_pl.errors import ConfigError, DataError
from asmg_pl.system.files import sync

FILE = "stream.json"
_PART = re.compile(r"part-(\d{5,})(?:-([1-9]\d*))?")
FORMAT = "asmg stream"
VERSION = 1
COMPACTED = 2  # the version of a stream whose parts were merged, which programs of an earlier version cannot read
FEATURED = 3  # the version of a stream with features other than categories, or of users and items, merged or not
MOST_CARRIED = 2**15 - 1  # the longest history whose length fits 16 bits

History = Literal["positive", "all"]


@dataclass(frozen=True)
class Part:
    """The rows of one append.

    Attributes:
        folder: the name of its folder within the stream's folder.
        rows: the number of rows.
        entries: the number of items in its sequence.
        users: the number of users in the stream up to the part's end.
        items: the number of items in the stream up to the part's end.
        first_time: the time of its first row.
        last_time: the time of its last row.
        digests: the digests of the blocks of rows that end in the part; blocks count over the whole stream, see
            :func:`~asmg_pl.data.fingerprint.fingerprint`.
        updates: the number of items of earlier parts whose categories change with this part.
        digest: the digest of the folder's list of digests; empty for a part of an older version.
    """

    folder: str
    rows: int
    entries: int
    users: int
    items: int
    first_time: int
    last_time: int
    digests: tuple[str, ...]
    updates: int = 0
    digest: str = ""


@dataclass(frozen=True)
class Manifest:
    """The description of a stream on disk.

    Attributes:
        history: which rows enter later histories.
        carry: the number of a user's past items that each part repeats, which is the longest history of a row.
        categories: the number of categories.
        context: the context features in their order, each with its number of values.
        parts: the parts in their order.
        index: the digest of the index's list of digests; empty for an index of an older version.
        features: which columns of the rows are no plain context features.
        lists: the multi-valued features in their order, each with its number of values.
    """

    history: History
    carry: int
    categories: int
    context: dict[str, int]
    parts: tuple[Part, ...]
    index: str = ""
    features: Features = PLAIN
    lists: dict[str, int] = field(default_factory=dict)

    @property
    def sizes(self) -> Sizes:
        """The numbers of users, items and categories, and the features with their numbers of values."""
        last = self.parts[-1]
        return self.features.sizes(last.users, last.items, self.categories, self.context, self.lists.values())

    @property
    def generation(self) -> int:
        """How often parts were merged, as far as the names of the parts tell."""
        found = [_PART.fullmatch(part.folder) for part in self.parts]
        return max((int(name[2] or 0) for name in found if name), default=0)

    @property
    def version(self) -> int:
        """The version of the format."""
        if self.features != PLAIN:
            return FEATURED
        return COMPACTED if self.generation else VERSION

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read a stream's manifest.

        Raises:
            DataError: if there is no manifest, it is damaged, or it has another format or version.
        """
        path = folder / FILE
        if not path.is_file():
            raise DataError(f"{folder} is no stream, it has no {FILE}: give the folder that asmg convert has written")
        try:
            found = json.loads(path.read_bytes())
            if found["format"] != FORMAT:
                raise ValueError(f"its format is {found['format']!r}")
            if found["version"] not in (VERSION, COMPACTED, FEATURED):
                raise DataError(
                    f"{path} has version {found['version']} of the format, this program reads {VERSION} to "
                    f"{FEATURED}: update asmg_pl"
                )
            parts = tuple(Part(**{**part, "digests": tuple(part["digests"])}) for part in found["parts"])
            settings = found["history"], found["carry"], found["categories"], dict(found["context"])
            described = {name: _plain(value) for name, value in found.get("features", {}).items()}
            features, lists = Features(**described), dict(found.get("lists", {}))
            manifest = cls(*settings, parts, found.get("index", ""), features, lists)
            manifest._check()
            if found["version"] != manifest.version:
                raise ValueError("its version is not that of its parts")
            if any(found[name] != count for name, count in manifest._totals().items()):
                raise ValueError("its parts do not add up to its counts")
            stated = found.pop("checksum", None)
            if stated != (_checksum(found) if stated or parts[-1].digest else None):
                raise ValueError("its content is not what was written")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ConfigError) as error:
            if isinstance(error, DataError):
                raise
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(f"{path} does not describe a stream ({reason}): restore it, or convert again") from None
        return manifest

    def _totals(self) -> dict[str, int]:
        """The counts over all parts."""
        return {"rows": sum(p.rows for p in self.parts), "users": self.sizes.users, "items": self.sizes.items}

    def _check(self) -> None:
        """Raise a ``ValueError`` if the manifest describes no stream."""
        parts = self.parts
        names = [_PART.fullmatch(part.folder) for part in parts]
        if not parts or [name and name[1] for name in names] != [f"{number:05}" for number in range(len(parts))]:
            raise ValueError("its parts are not those of a stream")
        if self.history not in get_args(History):
            raise ValueError(f"its history is {self.history!r}")
        counts = [self.carry, self.categories, *self.context.values(), *self.lists.values()]
        counts += [n for part in parts for n in (part.rows, part.entries, part.users, part.items, part.updates)]
        times = [time for part in parts for time in (part.first_time, part.last_time)]
        if not all(type(number) is int for number in counts + times) or min(counts) < 0:
            raise ValueError("a count or a time in it is no whole number, or a count is below 0")
        if max(counts) >= 2**31 or max(map(abs, times)) >= 2**63:
            raise ValueError("a count or a time in it is larger than any that a stream can have")
        if self.carry > MOST_CARRIED or not all(part.rows for part in parts):
            raise ValueError("a part in it has no rows, or its histories are longer than any")
        features = self.features
        if type(features.list_size) is not int or tuple(self.lists) != features.lists:
            raise ValueError("its lists are not those of its features")
        texts = [self.index, *self.context, *features.columns, *features.users, *features.items, *features.logs]
        texts += [*(text for part in parts for text in (part.digest, *part.digests))]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("a name or a digest in it is no text")
        for growing in (times, [part.users for part in parts], [part.items for part in parts]):
            if growing != sorted(growing):
                raise ValueError("its parts do not follow each other")
        if sum(len(part.digests) for part in parts) != sum(part.rows for part in parts) // BLOCK:
            raise ValueError("it has not a digest for each block of rows")

    def write(self, folder: Path) -> None:
        """Replace the stream's manifest in one step."""
        content: dict[str, Any] = {"format": FORMAT, "version": self.version} | self._totals() | asdict(self)
        if not self.features.logs:  # programs of an earlier version can then read it
            del content["features"]["logs"]
        if self.features == PLAIN:  # programs of an earlier version can then read it
            content = {name: value for name, value in content.items() if name not in ("features", "lists")}
        content["checksum"] = _checksum(content)
        replace_file(folder / FILE, (json.dumps(content, indent=1) + "\n").encode())


def _checksum(content: dict[str, Any]) -> str:
    """A digest of the manifest's content, which does not depend on its spelling."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """A value of a description in the form that it has outside of JSON."""
    return tuple(value) if isinstance(value, list) else value


def part_name(number: int, generation: int = 0) -> str:
    """The name of the folder of a part; parts count from 0. Merged parts have their generation in the name."""
    return f"part-{number:05}" + (f"-{generation}" if generation else "")


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file's content in one step, and flush it to the disk."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    sync(partial)
    partial.replace(path)
    sync(path.parent)
