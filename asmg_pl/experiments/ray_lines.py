"""Standard output has the program's own lines, and the log has those of Ray.

Ray prints long reports about nodes to standard output, from threads of its own and at any moment.
"""

from __future__ import annotations

import io
import logging
import threading
from typing import TextIO

logger = logging.getLogger(__name__)


class Logged(io.TextIOBase):
    """Takes what Ray prints about nodes, which is long, and logs it at level debug."""

    def write(self, text: str) -> int:
        """Log a text."""
        if text.strip():
            logger.debug("ray: %s", text.strip())
        return len(text)


class OwnLines(Logged):
    """Prints what one thread says. Ray's own threads print about nodes at any moment, and that is logged."""

    def __init__(self, stream: TextIO) -> None:
        """Print nothing yet.

        Args:
            stream: where the lines of the thread go that calls this.
        """
        self._stream, self._thread = stream, threading.get_ident()

    def write(self, text: str) -> int:
        """Print a text, or log it."""
        return self._stream.write(text) if threading.get_ident() == self._thread else super().write(text)

    def flush(self) -> None:
        """Hand on what is buffered."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Whether the lines go to a terminal."""
        return self._stream.isatty()
