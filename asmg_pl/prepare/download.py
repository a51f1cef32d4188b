"""Downloads files. An interrupted download resumes, and a file appears only when it is whole."""

from __future__ import annotations

import hashlib
import http.client
import shutil
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from tqdm import tqdm

from asmg_pl.errors import DataError
from asmg_pl.system.screen import bar_options

_PIECE = 1 << 20
_TIMEOUT = 60.0  # seconds without a byte
_TRIES = 3
_RESERVE = 64 << 20  # bytes of the disk to leave free

#: The first bytes of packed files, by the ending of their names.
_MAGIC = {".zip": (b"PK\3\4", b"PK\5\6"), ".gz": (b"\x1f\x8b",), ".bz2": (b"BZh",), ".xz": (b"\xfd7zXZ\0",)}

#: Errors that a wrong answer of a server can raise. UnicodeError: a host's name that cannot be encoded.
_BROKEN = (URLError, OSError, http.client.HTTPException, ValueError)


class _OnlyWeb(HTTPRedirectHandler):
    """A redirection handler that follows only addresses on the web, not files or FTP."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        """Check the address of a redirection."""
        check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = build_opener(_OnlyWeb)


def check_address(url: str) -> None:
    """Check that this is the address of a file on the web.

    Raises:
        DataError: if it is not; the message gives the reason.
    """
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").encode("idna"), parts.port
    except ValueError as error:  # a port out of range, a bracket that is not closed, a name that cannot be encoded
        raise DataError(f"{url} is no address of a file ({error}): give --url https://SERVER/FILE") from None
    if parts.scheme not in ("http", "https"):
        raise DataError(f"{url} is not an address that begins with https:// or http://")
    if not host:
        raise DataError(f"{url} names no server: give --url https://SERVER/FILE")
    if any(letter.isspace() or not letter.isprintable() for letter in url) or not (parts.path + parts.query).isascii():
        raise DataError(f"{url!r} has blanks or letters that addresses cannot have: write them as %20 and the like")


def download(url: str, path: Path, limit: int | None = None) -> None:
    """Fetch a file, unless it exists already.

    The unfinished file is ``NAME.part``. The server's mark of its version is kept beside it, so that a later call can
    resume. If the version has changed since, the file is fetched from its beginning.

    Args:
        url: the address of the file, ``https://`` or ``http://``.
        path: the file to write.
        limit: the most bytes that the file may have; the free space of the disk is a limit too.

    Raises:
        DataError: if the address is of another kind; if the server cannot be reached, refuses, or breaks off; if the
            file is too large, or is a web page instead of an archive.
    """
    if path.is_file():
        return
    check_address(url)
    for attempt in range(1, _TRIES + 1):
        try:
            _fetch(url, path, limit)
            return
        except DataError:
            raise
        except HTTPError as error:
            said = " ".join(str(error.reason).split())
            raise DataError(f"{url}: the server answers {error.code} {said}; give another --url") from None
        except _BROKEN as error:
            if attempt == _TRIES:
                kept = f"; {_part(path)} keeps the bytes so far: call again to go on" if _part(path).exists() else ""
                raise DataError(f"{url} cannot be fetched ({error}){kept}") from None


def read_text(url: str) -> str | None:
    """Fetch a small text file; ``None`` if the server does not have it.

    Raises:
        DataError: if the server cannot be reached.
    """
    check_address(url)
    try:
        with _OPENER.open(url, timeout=_TIMEOUT) as answer:
            content: bytes = answer.read(_PIECE)
            return content.decode(errors="replace")
    except DataError:
        raise
    except HTTPError as error:
        if error.code in (403, 404, 410):
            return None
        raise DataError(f"{url}: the server answers {error.code} {error.reason}") from None
    except _BROKEN as error:
        raise DataError(f"{url} cannot be fetched ({error})") from None


def digest(path: Path, kind: str) -> str:
    """The file's checksum (``"md5"`` or ``"sha256"``), in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _fetch(url: str, path: Path, limit: int | None) -> None:
    """Fetch as much as one connection gives; raises :class:`OSError` if the connection breaks."""
    part, mark = _part(path), path.with_name(path.name + ".version")
    done = part.stat().st_size if part.exists() and mark.exists() else 0
    request = Request(url, headers={"Accept-Encoding": "identity"})
    if done:
        request.add_header("Range", f"bytes={done}-")
        request.add_header("If-Range", mark.read_text())
    try:
        answer = _OPENER.open(request, timeout=_TIMEOUT)
    except HTTPError as error:
        if error.code != 416:  # the unfinished file is as long as the whole file, or longer
            raise
        part.unlink()
        raise OSError("the unfinished file did not fit the file of the server") from None
    with answer:
        done = _begin(answer, done, part)
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        if version and version.isprintable() and not version.startswith("W/"):  # a weak mark may belong to other bytes
            mark.write_text(version)
        else:
            mark.unlink(missing_ok=True)
        in_chunks = "chunked" in answer.headers.get("Transfer-Encoding", "").lower()
        length = None if in_chunks else answer.headers.get("Content-Length")
        whole = None if length is None else done + _number(length)
        try:
            size = _receive(answer, path, done, whole, limit)
        except DataError:
            part.unlink(missing_ok=True)
            mark.unlink(missing_ok=True)
            raise
    if whole is not None and size != whole:
        raise OSError(f"cut off after {size:,} of {whole:,} bytes")
    part.replace(path)
    mark.unlink(missing_ok=True)


def _begin(answer: Any, done: int, part: Path) -> int:
    """The byte at which an answer begins: the requested byte, or 0."""
    if (packing := answer.headers.get("Content-Encoding", "identity")) != "identity":
        raise DataError(f"{answer.url}: the server packs the file once more ({packing}); give another --url")
    if answer.status != 206:  # the whole file: it is the first request, or another version
        return 0
    begins = answer.headers.get("Content-Range", f"bytes {done}-").removeprefix("bytes").strip().partition("-")[0]
    if not done or begins != str(done):
        part.unlink(missing_ok=True)
        raise OSError(f"the server resumes at byte {begins or '?'}, not {done}")
    return done


def _number(length: str) -> int:
    """Read a length that a server gives."""
    if not length.strip().isdecimal():
        raise OSError(f"the server gives the length {length!r}, which is no number of bytes")
    return int(length)


def _receive(answer: Any, path: Path, done: int, whole: int | None, limit: int | None) -> int:
    """Append the answer to the unfinished file, within the limit and the disk's space; the bytes that it has then."""
    part = _part(path)
    free = done + shutil.disk_usage(part.parent).free - _RESERVE
    most = free if limit is None else min(limit, free)
    full = f"the disk has room for {max(0, free):,} bytes: free some, or give another --folder"
    beyond = full if most == free else "raise --max-bytes if the file should be that large"
    if whole is not None and whole > most:
        raise DataError(f"{answer.url} has {whole:,} bytes, more than {max(0, most):,}: {beyond}")
    with part.open("ab" if done else "wb") as file, _bar(path.name, done, whole) as bar:
        buffer = bytearray(_PIECE)  # read in pieces, since a chunk's length may be wrong
        while count := answer.readinto(buffer):
            piece = bytes(memoryview(buffer)[:count])
            if not file.tell():
                _check_kind(answer, path.name, piece)
            if file.tell() + len(piece) > most:
                raise DataError(f"{answer.url} has more than {max(0, most):,} bytes: {beyond}")
            file.write(piece)
            bar.update(len(piece))
        if not file.tell():
            raise DataError(f"{answer.url} is empty: give another --url")
        return file.tell()


def _check_kind(answer: Any, name: str, begin: bytes) -> None:
    """Refuse a file that should be packed and is not: usually it is a page that asks for a login."""
    magic = next((magic for end, magic in _MAGIC.items() if name.endswith(end)), None)
    if magic is None or begin.startswith(magic):
        return
    text = begin.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    page = text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body"))
    found = "a web page" if page or "html" in answer.headers.get("Content-Type", "") else "another file"
    raise DataError(f"{answer.url} is {found}, not {name}: give --url the address of the file itself")


def _bar(name: str, done: int, whole: int | None) -> tqdm[Any]:
    return tqdm(
        desc=name,
        initial=done,
        total=whole,
        unit="B",
        unit_scale=True,
        **bar_options(),
    )
