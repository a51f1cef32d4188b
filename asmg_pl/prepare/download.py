"""Downloads that go on where they were cut, and arrive whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from tqdm import tqdm

from asmg_pl.errors import DataError

_PIECE = 1 << 20
_TIMEOUT = 60.0  # seconds without a byte
_TRIES = 3


def download(url: str, path: Path) -> None:
    """Fetch a file; one that is there already is left as it is.

    While it comes, it is ``NAME.part``, with the server's mark of its version beside it, so that a later call goes on
    where an earlier one was cut. A version that has changed since is fetched from its beginning.

    Args:
        url: where it is, ``https://`` or ``http://``.
        path: where it goes.

    Raises:
        DataError: if the address is of another kind, or the server cannot be reached, refuses, or goes away.
    """
    if path.is_file():
        return
    if urlsplit(url).scheme not in ("http", "https"):
        raise DataError(f"{url} is not an address that begins with https:// or http://")
    for attempt in range(1, _TRIES + 1):
        try:
            _fetch(url, path)
            return
        except HTTPError as error:
            raise DataError(f"{url}: the server answers {error.code} {error.reason}; give another --url") from None
        except (URLError, OSError, http.client.HTTPException) as error:
            if attempt == _TRIES:
                kept = f"; {_part(path)} keeps what has come, call again to go on" if _part(path).exists() else ""
                raise DataError(f"{url} cannot be fetched ({error}){kept}") from None


def read_text(url: str) -> str | None:
    """A small text file, ``None`` if the server has none.

    Raises:
        DataError: if the server cannot be reached.
    """
    try:
        with urlopen(url, timeout=_TIMEOUT) as answer:
            content: bytes = answer.read(_PIECE)
            return content.decode(errors="replace")
    except HTTPError as error:
        if error.code in (403, 404, 410):
            return None
        raise DataError(f"{url}: the server answers {error.code} {error.reason}") from None
    except (URLError, OSError, http.client.HTTPException) as error:
        raise DataError(f"{url} cannot be fetched ({error})") from None


def digest(path: Path, kind: str) -> str:
    """The file's checksum (``"md5"`` or ``"sha256"``), in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _fetch(url: str, path: Path) -> None:
    """One connection's worth; raises :class:`OSError` if it was cut."""
    part, mark = _part(path), path.with_name(path.name + ".version")
    done = part.stat().st_size if part.exists() and mark.exists() else 0
    request = Request(url)
    if done:
        request.add_header("Range", f"bytes={done}-")
        request.add_header("If-Range", mark.read_text())
    try:
        answer = urlopen(request, timeout=_TIMEOUT)
    except HTTPError as error:
        if error.code != 416:  # the part is as long as the file, or longer
            raise
        part.unlink()
        raise OSError("what had come is no part of the file") from None
    with answer:
        if answer.status != 206:  # the whole file, because nothing has come, or it is another version
            done = 0
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        if version and not version.startswith("W/"):  # a weak one does not say that bytes are the same
            mark.write_text(version)
        else:
            mark.unlink(missing_ok=True)
        length = answer.headers.get("Content-Length")
        whole = None if length is None else done + int(length)
        with part.open("ab" if done else "wb") as file, _bar(path.name, done, whole) as bar:
            while piece := answer.read(_PIECE):
                file.write(piece)
                bar.update(len(piece))
            size = file.tell()
    if whole is not None and size != whole:
        raise OSError(f"cut off after {size:,} of {whole:,} bytes")
    part.replace(path)
    mark.unlink(missing_ok=True)


def _bar(name: str, done: int, whole: int | None) -> tqdm[Any]:
    return tqdm(
        desc=name,
        initial=done,
        total=whole,
        unit="B",
        unit_scale=True,
        dynamic_ncols=True,
        mininterval=0.2 if sys.stderr.isatty() else 5.0,  # a log file gets a line now and then
        leave=False,
    )
