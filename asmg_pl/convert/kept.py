"""The settings of a stream's conversions, and their malformed rows, kept beside the rows.

    part-00000/convert.json      quarantine.csv     become part of the stream in one step with the rows of this part
    part-00001/convert.json           │
                    │                 ▼
        convert.json              quarantine.csv    the newest settings, and all malformed rows: made from the above

If a program is killed before it has made the lower files, the next append makes them.
"""

from __future__ import annotations

from pathlib import Path

from asmg_pl.data.stream.appending import stream_lock, sweep
from asmg_pl.data.stream.attached import attached
from asmg_pl.data.stream.manifest import FILE as MANIFEST
from asmg_pl.data.stream.manifest import Manifest, replace_file
from asmg_pl.data.tables.quarantine import FILE as QUARANTINE
from asmg_pl.errors import DataError

SETTINGS = "convert.json"


def stored_settings(folder: Path) -> bytes | None:
    """The settings of a stream's last conversion; ``None`` if it was not converted.

    Raises:
        DataError: if the file is damaged.
    """
    path = folder / SETTINGS
    content = path.read_bytes() if path.is_file() else None
    kept = attached(folder, SETTINGS) if (folder / MANIFEST).exists() else []
    if not kept:
        return content  # of an earlier version, whose parts keep no settings
    if content is not None and content not in kept:
        raise DataError(f"{path} is damaged or was edited: remove it, the stream has a copy, and append again")
    return kept[-1]


def to_keep(folder: Path, settings: bytes, malformed: bytes) -> dict[str, bytes]:
    """The files to keep with the rows of a part, by name.

    Args:
        folder: the stream; there may be none yet.
        settings: the settings as they are kept.
        malformed: the malformed rows as CSV; empty if there are none.
    """
    earlier = folder / QUARANTINE
    if earlier.is_file() and not attached(folder, SETTINGS):  # the earlier parts do not keep their rows
        malformed = joined_csv([earlier.read_bytes(), malformed])
    return {SETTINGS: settings} | ({QUARANTINE: malformed} if malformed else {})


def publish(folder: Path) -> None:
    """Make the files in the stream's folder from the files in its parts. The caller holds the stream's lock."""
    settings = attached(folder, SETTINGS)
    if not settings:
        return
    for name, content in ((SETTINGS, settings[-1]), (QUARANTINE, joined_csv(attached(folder, QUARANTINE)))):
        path = folder / name
        if content and (not path.is_file() or path.read_bytes() != content):
            replace_file(path, content)


def finish(folder: Path, wait: float = 0.0) -> None:
    """Do what an append has left undone that was killed right after its rows had become part of the stream.

    Args:
        folder: the stream.
        wait: the seconds to wait for another program that is writing the stream.

    Raises:
        BusyError: if another program is writing the stream.
    """
    with stream_lock(folder, wait):
        publish(folder)
        sweep(folder, Manifest.read(folder))


def joined_csv(tables: list[bytes]) -> bytes:
    """Concatenate CSV files with the same header."""
    rows = [table.partition(b"\n") for table in tables if table]
    return b"".join([rows[0][0] + b"\n", *(row for _, _, row in rows)]) if rows else b""
