"""What the tools say on stderr: a word on what is passed over, and one message when they cannot go on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from asmg_pl.errors import UserError
from asmg_pl.system.escaping import terminal


def say(text: str) -> None:
    """A line on stderr."""
    print(terminal(text), file=sys.stderr, flush=True)


def passed_over(what: object) -> None:
    """A word on a file or a folder that is left out."""
    say(f"passed over: {what}")


@contextmanager
def one_message() -> Iterator[None]:
    """What the user can mend ends the tool with one message and status 2."""
    try:
        yield
    except UserError as error:
        say(str(error))
        sys.exit(2)
    except OSError as error:
        say(f"{error.filename or ''}: {error.strerror or error}".removeprefix(": "))
        sys.exit(2)
