"""Which walks have ended and would only be read again: nothing that they depend on has changed since.

A walk that has ended well leaves ``finished.json`` beside its results, with a mark of all that it depends on: its
arguments, the files that they name, the stream, the program and the working folder; and of the files that it has left.
If all marks are as they were, the walk is not started. If one differs, ``asmg fit`` is started and decides.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from asmg_pl.errors import DataError
from asmg_pl.experiments.run_files import section, settings_of
from asmg_pl.system.files import written_whole

#: The file in a run folder.
FINISHED = "finished.json"

#: The files of a run folder that a walk has left, and that must be as it left them.
LEFT = ("config.yaml", "metrics.csv", "walk.json", "provenance.json", "checkpoints/*")

#: The most files of a stream that are looked at.
MOST_FILES = 10_000

#: Libraries whose versions are in the program's mark.
LIBRARIES = ("lightning", "torch", "jsonargparse")

#: Packages whose classes this mark covers.
KNOWN = ("asmg_pl", "lightning", "torch")


class Finished:
    """The walks that have ended. A stream is looked at once, when it is first needed.

    Examples:
        >>> from tempfile import mkdtemp
        >>> folder = Path(mkdtemp())
        >>> _ = (folder / "config.yaml").write_text("data: {root: null}")
        >>> finished = Finished()
        >>> finished.note(folder, ["--config", "demo"])
        >>> finished.has(folder, ["--config", "demo"]), finished.has(folder, ["--config", "other"])
        (True, False)
    """

    def __init__(self) -> None:
        """Look at nothing yet."""
        self._streams: dict[str, list[str] | None] = {}

    def has(self, folder: Path, arguments: Sequence[str]) -> bool:
        """Whether a walk has ended, and all that it depends on and has left is as it was.

        Args:
            folder: the run folder.
            arguments: of ``asmg fit``.
        """
        try:
            noted = json.loads((folder / FINISHED).read_text(encoding="utf-8"))
            return bool(noted["marks"] == self._marks(folder, arguments, noted["stream"]))
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return False  # there is no such file, or it is damaged

    def note(self, folder: Path, arguments: Sequence[str], began: int = 0) -> None:
        """Note that a walk has ended well.

        Nothing is noted of a walk that could go on at another start without any file being changed: one that cuts time
        by this machine's clock, or has classes of other packages. Nor if a file that it depends on has changed while it
        was under way, as the walk may have read what the file was before.

        Args:
            folder: the run folder.
            arguments: of ``asmg fit``.
            began: when the walk was started, in nanoseconds since 1970.
        """
        (folder / FINISHED).unlink(missing_ok=True)
        try:
            told = settings_of(folder / "config.yaml")
        except DataError:
            return
        root = section(told, "data").get("root")
        stream = None if root is None else str(Path(str(root)).expanduser())
        if not stays(told) or _changed(arguments, stream, began):
            return
        marks = self._marks(folder, arguments, stream)
        if marks is not None:
            with written_whole(folder / FINISHED) as partial:
                partial.write_text(json.dumps({"stream": stream, "marks": marks}, indent=1) + "\n", encoding="utf-8")

    def _marks(self, folder: Path, arguments: Sequence[str], stream: str | None) -> dict[str, Any] | None:
        """All marks; ``None`` if the stream has too many files."""
        if stream is not None and stream not in self._streams:
            self._streams[stream] = _files(Path(stream))
        files = [] if stream is None else self._streams[stream]
        if files is None:
            return None
        return {
            **call_marks(arguments),
            "stream": files,
            "left": sorted(f"{path.relative_to(folder)} {_stat(path)}" for name in LEFT for path in folder.glob(name)),
        }


def call_marks(arguments: Sequence[str]) -> dict[str, Any]:
    """Marks of a call of the program: its arguments, the files that they name, the program, and the working folder."""
    return {
        **{"arguments": list(arguments), "named": {str(path): _content(path) for path in _named(arguments)}},
        **{"program": program_mark(), "working folder": str(Path.cwd())},
    }


def program_mark() -> str:
    """A mark of the installed program: it changes with any of its files, and with the libraries that walk."""
    return _program(str(Path(__file__).parents[1]))


def stays(told: Any) -> bool:
    """Whether settings mean the same at each start, as long as no file changes."""
    return all(_stays(*each) for each in _leaves(told))


def _named(arguments: Sequence[str]) -> list[Path]:
    """The files and folders that arguments name."""
    words = (word.partition("=")[2] if word.startswith("--") and "=" in word else word for word in arguments)
    return [Path(word) for word in words if word and _exists(word)]


def _changed(arguments: Sequence[str], stream: str | None, since: int) -> bool:
    """Whether a file of the stream, or one that arguments name, has been written since a moment."""
    of_stream = [] if stream is None else _inside(Path(stream)) or []
    files = [path for path in (*_named(arguments), *of_stream) if path.is_file()]
    return bool(since) and any(path.stat().st_mtime_ns >= since for path in files)


def _files(place: Path) -> list[str] | None:
    """Marks of the files of a stream; ``None`` if they are too many."""
    if not place.exists():
        return ["is missing"]
    found = _inside(place)
    return None if found is None else sorted(f"{path.relative_to(place)} {_stat(path)}" for path in found)


def _inside(place: Path) -> list[Path] | None:
    """A file, or the files in a folder, without hidden ones such as locks; ``None`` if they are too many."""
    if not place.is_dir():
        return [place] if place.exists() else []
    found: list[Path] = []
    for inner, _, names in os.walk(place):
        found += [Path(inner, name) for name in names if not name.startswith(".")]
        if len(found) > MOST_FILES:
            return None
    return found


@cache
def _program(folder: str) -> str:
    digest = hashlib.sha256("".join(f"{name} {version(name)}\n" for name in LIBRARIES).encode())
    for inner, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if each != "__pycache__")
        for name in sorted(names):
            digest.update(f"{inner}/{name} {_stat(Path(inner, name))}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _content(path: Path) -> str:
    """A small file by its content, which may have been written again; others by their size and time.

    A folder is only there: opening what is in it may change its time.
    """
    if path.is_dir():
        return "folder"
    if path.is_file() and path.stat().st_size <= 2**20:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return _stat(path)


def _stat(path: Path) -> str:
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


def _exists(word: str) -> bool:
    try:
        return Path(word).exists()
    except (OSError, ValueError):  # a text that can be no path
        return False


def _leaves(told: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """All plain values of settings, each with its own name."""
    if isinstance(told, Mapping):
        for key, inner in told.items():
            yield from _leaves(inner, str(key))
    elif isinstance(told, list):
        for inner in told:
            yield from _leaves(inner, name)
    else:
        yield name, told


def _stays(name: str, value: Any) -> bool:
    """Whether a setting means the same at each start, as long as no file changes."""
    if name == "class_path":
        return str(value).partition(".")[0] in KNOWN
    return (name, value) != ("complete_until", "now")
