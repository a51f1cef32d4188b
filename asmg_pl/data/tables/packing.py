"""Compressed files: gzip and zstd, known by the ending of the name, or by the first bytes."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asmg_pl.errors import DataError

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
#: The endings of the names of compressed files, which follow the ending of the format.
PACKED = {".gz", ".zst"}
_CHUNK = 1 << 17  # bytes that are unpacked at once


class Unpacked:
    """The content of a file, which is unpacked if it is compressed.

    Attributes:
        path: the file, for messages.
    """

    def __init__(self, path: Path, file: io.BufferedReader) -> None:
        """Look at the first bytes.

        Args:
            path: the file.
            file: the open file. Its position says how many bytes have been taken.

        Raises:
            DataError: if the file is compressed with zstd, and the package for it is missing.
        """
        self.path = path
        self._content: io.BufferedReader | gzip.GzipFile | _Zstd = file
        if path.suffix == ".gz" or file.peek(2).startswith(GZIP):
            self._content = gzip.GzipFile(fileobj=file)
        elif path.suffix == ".zst" or file.peek(4).startswith(ZSTD):
            self._content = _Zstd(path, file)

    def lines(self, size: int, longest: int) -> bytes:
        """The next bytes, as many as asked for, and those up to the line end after them; fewer at the end.

        Args:
            size: the number of bytes to read, from 1 on.
            longest: the most bytes to read beyond them. Where no line ends there, the last line is not whole.

        Raises:
            DataError: if the file is cut off or damaged.
        """
        with self._sound():
            if isinstance(self._content, io.BufferedReader) and self._content.seekable():
                begin = self._content.tell()  # to look for the line end first, and read once, saves a copy
                self._content.seek(begin + size - 1)
                size += max(0, len(self._content.readline(1 + longest)) - 1)
                self._content.seek(begin)
                return self._content.read(size)
            read = self._content.read(size)
            return read if not read or read.endswith(b"\n") else read + self._content.readline(longest)

    @contextmanager
    def _sound(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(
                f"{self.path} cannot be unpacked, it is cut off or damaged ({error}): fetch it again"
            ) from None


class _Zstd:
    """A file of one or several frames of zstd. A last frame that is not whole is an error, not an end."""

    def __init__(self, path: Path, file: io.BufferedReader) -> None:
        try:
            import zstandard
        except ModuleNotFoundError:
            raise DataError(
                f"{path} is compressed with zstd, which needs the package zstandard: pip install 'asmg_pl[zstd]', or "
                "unpack the file"
            ) from None
        self._zstd: Any = zstandard
        self._chunks = self._unpack(file)
        self._rest = bytearray()

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (chunk := next(self._chunks, None)) is not None:
            self._rest += chunk
        found, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return found

    def readline(self, size: int) -> bytes:
        looked = 0
        while (end := self._rest.find(b"\n", looked, size)) < 0 and (looked := len(self._rest)) < size:
            if (chunk := next(self._chunks, None)) is None:
                break
            self._rest += chunk
        return self.read(min(looked, size) if end < 0 else end + 1)

    def _unpack(self, file: io.BufferedReader) -> Iterator[bytes]:
        frame = None
        while chunk := file.read(_CHUNK):
            while chunk:
                frame = frame or self._zstd.ZstdDecompressor().decompressobj()
                try:
                    yield frame.decompress(chunk)
                except self._zstd.ZstdError as error:
                    raise EOFError(str(error)) from None
                chunk, frame = (frame.unused_data, None) if frame.eof else (b"", frame)
        if frame is not None:
            raise EOFError("the last frame is not whole")
