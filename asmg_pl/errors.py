"""Errors that a user can mend. The command line prints them as one message, without a traceback."""

from __future__ import annotations

import sys
from typing import NoReturn


class UserError(Exception):
    """Something outside the program is wrong; the message says what, where, and how to mend it."""


class DataError(UserError, ValueError):
    """The stream's files or their content are not usable."""


class ConfigError(UserError, ValueError):
    """The configuration asks for something that cannot work."""


class CheckpointError(UserError, RuntimeError):
    """A checkpoint is missing, broken, or belongs to another stream or model."""


class WalkInterruptedError(UserError, RuntimeError):
    """Something stopped the walk within a phase; it can go on from the last checkpoint."""


class OneMessage:
    """Mixed into an argument parser: an error is one message and exit status 2, without a page of usage before it."""

    help_command = "asmg fit --help"

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the message and exit."""
        sys.stderr.write(f"asmg: {message}\n(the accepted options: {self.help_command})\n")
        sys.exit(2)
