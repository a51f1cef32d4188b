"""What the program takes from its surroundings: standard streams, a home folder, modules, its rank."""

from __future__ import annotations

import atexit
import errno
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class LastingStream:
    """A text stream whose failures do not end the program.

    A walk goes on after its reader has gone (``| head -1``), the disk behind ``2> log`` is full, or the terminal is
    closed.

    Attributes:
        lost: the reason why the first lost text could not be written. A reader that has gone counts as no loss.
    """

    def __init__(self, stream: Any) -> None:
        """Wrap a stream."""
        self._stream = stream
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        """Write if possible."""
        self._try(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        """Flush if possible."""
        self._try(self._stream.flush)

    def _try(self, call: Any, *arguments: Any) -> None:
        try:
            call(*arguments)
        except OSError as error:
            if error.errno != errno.EPIPE:
                self.lost = self.lost or error
        except ValueError:  # closed
            pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def lasting_streams() -> Iterator[None]:
    """A context in which standard output and error can fail without ending the program.

    If one of them is closed, ``/dev/null`` takes its place, so that no file opened later takes it.

    Raises:
        SystemExit: with 2, if the program ends well, its only task was to show something, and this was lost.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor, which is this one
    before = sys.stdout, sys.stderr  # None if they are closed
    out = sys.stdout = LastingStream(before[0] or io.StringIO())
    err = sys.stderr = LastingStream(before[1] or io.StringIO())
    only_shown = False
    try:
        yield
    except SystemExit as end:  # the output of --help and --print_config
        only_shown = not end.code
        raise
    finally:
        out.flush()
        if out.lost is not None:
            err.write(f"asmg: not all of standard output could be written ({out.lost.strerror})\n")
        err.flush()
        sys.stdout, sys.stderr = before
        _drop_what_is_left(1, before[0])
        _drop_what_is_left(2, before[1])
        if only_shown and out.lost is not None:
            sys.exit(2)


def _drop_what_is_left(descriptor: int, stream: Any) -> None:
    """Discard unwritten text, so that the interpreter's own last flush succeeds."""
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, descriptor)
        os.close(null)


def have_home() -> None:
    """Provide a home folder for the caches of libraries: a temporary one, if there is none."""
    try:
        found = Path.home().is_dir()
    except (RuntimeError, OSError):  # HOME is not set, and the system does not know the user
        found = False
    if not found:
        folder = tempfile.mkdtemp(prefix="asmg-home-")
        os.environ["HOME"] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


def import_from_working_folder() -> None:
    """Let class paths name modules of the working folder. Installed modules go before them."""
    try:
        folder = os.getcwd()
    except FileNotFoundError:  # the working folder has been removed
        return
    if folder not in sys.path:
        sys.path.append(folder)


def process_rank() -> int:
    """This process's number among those of a walk, as its launcher has set it; 0 if it is the first or the only one."""
    names = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")  # as Lightning looks for it
    name = next((name for name in names if name in os.environ), None)
    rank = int(os.environ[name]) if name else 0
    if name in (None, "LOCAL_RANK"):  # the first process of another machine is not the first of all
        rank = rank or int(os.environ.get("NODE_RANK", "0"))
    return rank
