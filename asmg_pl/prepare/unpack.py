"""Unpacks archives that are not trusted: no file leaves the folder, and no file grows beyond a limit."""

from __future__ import annotations

import errno
import lzma
import stat
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from asmg_pl.errors import DataError

_PIECE = 1 << 20

#: Errors of reading a damaged archive. zipfile reports an unknown compression by NotImplementedError, a password by
#: RuntimeError, and a name that is not the UTF-8 it claims to be by a ValueError; bz2 a broken stream by
#: an OSError, and a place before the beginning is EINVAL.
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, NotImplementedError, RuntimeError),
    *(ValueError, OverflowError, IndexError, OSError),
)


def unpack(archive: Path, folder: Path, files: tuple[str, ...], limit: int) -> None:
    """Unpack some files of a zip archive into a folder: all of them, or none.

    Args:
        archive: the archive. The files may be in a folder in it.
        folder: the folder to unpack into; it is made if it does not exist.
        files: the names of the files.
        limit: the most bytes that they may have together.

    Raises:
        DataError: if the archive is damaged or lacks a file, has names that lead out of the folder, or links, or is
            larger than ``limit`` when unpacked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacking-") as aside:
        try:
            with zipfile.ZipFile(archive) as content:
                _extract(content, archive, Path(aside), files, limit)
        except DataError:
            raise
        except _DAMAGED as error:
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # an error of the disk
                raise
            raise DataError(
                f"{archive} is damaged or no zip archive ({error}): remove it, and fetch it again"
            ) from None
        for name in files:
            (Path(aside) / name).replace(folder / name)


def _extract(content: zipfile.ZipFile, archive: Path, folder: Path, files: tuple[str, ...], limit: int) -> None:
    for member in content.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if not path.parts:
            raise DataError(f"{archive} has a file without a name, {member.filename!r}: do not trust it")
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise DataError(f"{archive} has {member.filename!r}, which leads out of its folder: do not trust it")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise DataError(f"{archive} has a link, {member.filename!r}: do not trust it")
    found: dict[str, zipfile.ZipInfo] = {}
    for member in content.infolist():
        name = PurePosixPath(member.filename).name
        if member.is_dir() or name not in files:
            continue
        if name in found:
            twice = f"{found[name].filename} and {member.filename}"
            raise DataError(f"{archive} has {name} twice, {twice}: unpack the right one by hand into {folder.parent}")
        found[name] = member
    if missing := [name for name in files if name not in found]:
        raise DataError(f"{archive} has no {', '.join(missing)}: is it the right file?")
    left = limit
    for name in files:
        with content.open(found[name]) as source, (folder / name).open("wb") as target:
            while piece := source.read(_PIECE):  # the sizes that the archive gives may be wrong
                left -= len(piece)
                if left < 0:
                    raise DataError(
                        f"{archive} has more than {limit:,} bytes when unpacked: raise --max-bytes if it should"
                    )
                target.write(piece)
