"""Errors that a user can mend. The command line prints them as one message, without a traceback."""

from __future__ import annotations


class UserError(Exception):
    """Something outside the program is wrong; the message says what, where, and how to mend it."""


class DataError(UserError, ValueError):
    """The stream's files or their content are not usable."""


class NothingNewError(DataError):
    """The given files have no row that is new to the stream; nothing was written."""


class ConfigError(UserError, ValueError):
    """The configuration asks for something that cannot work."""


class CheckpointError(UserError, RuntimeError):
    """A checkpoint is missing, broken, or belongs to another stream or model."""


class PackageError(UserError, RuntimeError):
    """A serving package, or a store of packages, is missing, damaged, or of another kind than the program reads."""


class FormatError(UserError, RuntimeError):
    """A model cannot be written in another program's format, or would give other scores there."""


class RequestError(UserError, ValueError):
    """A request to a model asks for something that it cannot answer."""


class WalkInterruptedError(UserError, RuntimeError):
    """Something stopped the walk within a phase; it can go on from the last checkpoint."""


class BusyError(UserError, RuntimeError):
    """Another program is at work on what this one is to change."""


class DivergedError(UserError, RuntimeError):
    """A loss, a gradient, a parameter or a score of a walk is not finite; what was saved before is sound."""


class StorageError(UserError, OSError):
    """A disk takes no more, or does not work."""
