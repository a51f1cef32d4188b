"""Lines on the screen: above a progress bar, no wider than the terminal, and coloured only on a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from typing import Any, TextIO

#: Codes of the styles that :func:`styled` knows.
STYLES = {"bold": "1", "red": "31", "green": "32", "yellow": "33"}

#: Characters of a line where nobody has said how wide the screen is.
DEFAULT_WIDTH = 80


def say(line: str) -> None:
    """Print a line to standard output; on a terminal, above the progress bar."""
    if sys.stderr.isatty() and "tqdm" in sys.modules:
        from tqdm import tqdm

        tqdm.write(line)
    else:
        print(line, flush=True)


def complain(line: str) -> None:
    """Print a line to standard error; above the progress bar, if one is there."""
    if "tqdm" in sys.modules:
        from tqdm import tqdm

        tqdm.write(line, file=sys.stderr)
    else:
        print(line, file=sys.stderr, flush=True)


def bar_options() -> dict[str, Any]:
    """Options of each of tqdm's bars: one line that is drawn anew on a terminal, and in a file a line now and then."""
    on_terminal = sys.stderr.isatty()
    return {
        "file": sys.stderr if on_terminal else _Lines(),
        "mininterval": 0.2 if on_terminal else 5.0,
        "dynamic_ncols": True,
        "leave": False,
    }


class _Lines:
    """Writes each state of a bar as a line of its own to standard error, so that no message follows it on its line."""

    def write(self, text: str) -> None:
        if shown := text.strip("\r\n "):
            print(shown, file=sys.stderr)

    def flush(self) -> None:
        sys.stderr.flush()


def styled(text: str, style: str, stream: TextIO | None = None) -> str:
    """A text in a colour, or as it is where the stream shows none.

    Args:
        text: what is shown.
        style: one of :data:`STYLES`.
        stream: where it goes; standard output by default.
    """
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if has_colours(stream or sys.stdout) else text


def has_colours(stream: TextIO) -> bool:
    """Whether a stream is a terminal that shows colours. ``NO_COLOR`` forbids them, ``FORCE_COLOR`` asks for them."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Characters of a line: what ``COLUMNS`` says, the terminal's width, or 80."""
    return shutil.get_terminal_size((DEFAULT_WIDTH, 24)).columns


def folded(text: str, stream: TextIO | None = None) -> str:
    """A sentence in lines that the terminal does not wrap; in a file or a pipe, one line.

    Args:
        text: the sentence.
        stream: where it goes; standard output by default.
    """
    if not (stream or sys.stdout).isatty():
        return text
    return textwrap.fill(text, max(width() - 1, 20), subsequent_indent="  ", break_on_hyphens=False)
