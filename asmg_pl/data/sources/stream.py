"""Streams on disk that ``asmg convert`` has written."""

from __future__ import annotations

from pathlib import Path

from asmg_pl.data.log import InteractionLog
from asmg_pl.data.sources.base import Source
from asmg_pl.data.stream import open_stream, open_stream_at
from asmg_pl.errors import ConfigError


class Stream(Source):
    """A stream that ``asmg convert`` has written. Its folder, or its address, is the data module's root.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> from asmg_pl.data.sources import DriftingStream
        >>> from asmg_pl.data.stream import StreamWriter
        >>> with TemporaryDirectory() as folder:
        ...     DriftingStream(users=50, items=40, rows=1000).write(StreamWriter(Path(folder)))
        ...     log = Stream().read(Path(folder))
        ...     len(log), log.sizes.users
        (1000, 50)
    """

    def read(self, root: Path | None) -> InteractionLog:
        """Map the stream's columns.

        Raises:
            ConfigError: if no folder is given.
            DataError: if the folder holds no stream, or a file of it is missing or damaged.
        """
        if root is None:
            raise ConfigError("Stream opens a folder: give it with --data.root FOLDER")
        return open_stream(root)

    def read_at(self, address: str) -> InteractionLog:
        """Open the stream at an address; see :func:`asmg_pl.data.stream.open_stream_at`."""
        return open_stream_at(address)
