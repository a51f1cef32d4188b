"""The interface of a source, from which a stream is read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from asmg_pl.data.log import InteractionLog
from asmg_pl.errors import ConfigError
from asmg_pl.storage.address import shown


class Source(ABC):
    """A source of a stream, which reads it into an :class:`~asmg_pl.data.log.InteractionLog`.

    A source says *how* raw data become interactions (columns, filters, labels). The data module's ``root`` says *where*
    the files are.

    Examples:
        A table that is in memory already:

        >>> import polars as pl
        >>> class Table(Source):
        ...     def __init__(self, rows):
        ...         self.rows = rows
        ...
        ...     def read(self, root):
        ...         return InteractionLog.from_frame(self.rows)
        >>> len(Table(pl.DataFrame({"user": [1], "item": [2], "label": [1], "time": [3]})).read(None))
        1
    """

    @abstractmethod
    def read(self, root: Path | None) -> InteractionLog:
        """Read the whole stream.

        Args:
            root: the folder with the raw files; ``None`` if the user gave none.

        Raises:
            DataError: if a file is missing or malformed; the message names file, line and reason.
        """

    def read_at(self, address: str) -> InteractionLog:
        """Read the whole stream from an address such as ``s3://bucket/folder``; most sources read local files only.

        Raises:
            ConfigError: if the source cannot, or there is nothing at the address.
            DataError: if a file is missing or malformed.
            StorageError: if the store does not answer.
        """
        raise ConfigError(
            f"{type(self).__name__} reads files of this machine, and {shown(address)} is an address: convert them to a "
            "stream there (asmg convert … --out ADDRESS), and walk it with --data.source Stream"
        )
