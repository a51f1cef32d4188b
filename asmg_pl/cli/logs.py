"""What the command line shows of the log: notes on standard output, warnings and debug messages on standard error.

The package itself only logs, under the logger ``asmg_pl``. The variable ``ASMG_LOG`` sets the level.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from asmg_pl.cli.commands import QUICK
from asmg_pl.errors import ConfigError
from asmg_pl.storage.names import named
from asmg_pl.system.environment import process_rank
from asmg_pl.system.quiet import quiet
from asmg_pl.system.screen import complain, folded, say, styled

PACKAGE = Path(__file__).parents[1]

#: Values of ``ASMG_LOG``, from the most to the fewest messages.
LEVELS = ("debug", "info", "warning", "error")


class ScreenHandler(logging.Handler):
    """Shows messages as lines; of several processes, the others than the first show theirs only at level debug."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show a message."""
        rank, text = process_rank(), named(self.format(record))
        if rank and not logging.getLogger("asmg_pl").isEnabledFor(logging.DEBUG):
            return
        if record.levelno == logging.INFO and not rank:
            say(folded(text))
            return
        level = record.levelname.lower()
        origin = f"{record.name}: " if record.levelno < logging.INFO else ""
        process = f"process {rank}: " if rank else ""
        colour = "yellow" if record.levelno >= logging.WARNING else "bold"
        line = folded(f"asmg: {process}{level}: {origin}{text}", sys.stderr)
        complain(line.replace(f"{level}:", styled(f"{level}:", colour, sys.stderr), 1))


@contextmanager
def log_on_screen() -> Iterator[None]:
    """A context in which the package's log and warnings are shown, and little of other libraries.

    Raises:
        ConfigError: if ``ASMG_LOG`` is no level.
    """
    level = os.environ.get("ASMG_LOG") or "info"
    if level.lower() not in LEVELS:
        raise ConfigError(f"ASMG_LOG is {level}: give one of {', '.join(LEVELS)}")
    log, handler = logging.getLogger("asmg_pl"), ScreenHandler()
    level_before = log.level

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if Path(filename).is_relative_to(PACKAGE):  # about what the user has given, not about a line of our code
            log.warning("%s", message)
        else:
            show_before(message, category, filename, lineno, file, line)

    with quiet():
        show_before, warnings.showwarning = warnings.showwarning, show  # which the context sets back
        log.addHandler(handler)
        log.setLevel(level.upper())
        try:
            yield
        finally:
            log.removeHandler(handler)
            log.setLevel(level_before)


@contextmanager
def sign_of_life(command: str) -> Iterator[None]:
    """A context in which the libraries are loaded, which takes seconds; a line says so at once.

    On a terminal, the line goes when they are there. Nothing is said if they are there already.
    """
    if command in QUICK or process_rank() or "torch" in sys.modules:
        yield
        return
    terminal = sys.stderr.isatty()
    sys.stderr.write(f"asmg {command}: loading ..." + ("" if terminal else "\n"))
    sys.stderr.flush()
    try:
        yield
    finally:
        if terminal:
            sys.stderr.write("\r\x1b[K")
