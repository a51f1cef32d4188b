"""Signals that ask the program to stop: one line that says how to go on, and exit status 128 + the signal's number.

They stop the program wherever it is. Whatever it was writing is written aside until it is whole, so that nothing is
lost but the phase, or the part of a stream, that was under way.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

#: SIGUSR1 is how SLURM announces the end of a job's time.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)

#: What to do after a stop, by the program's first argument.
GOING_ON = {"fit": "go on with --ckpt_path last", "prepare": "call it again to go on"}


class Stopped(BaseException):
    """The program was asked to stop.

    It is no :class:`Exception`, so that no code takes it for an error that it can handle.
    """

    def __init__(self, signum: int) -> None:
        """Say by which signal."""
        super().__init__(signum)
        self.signum = signum


class _Catcher:
    """Raises :class:`Stopped` at the first signal, and ends the process at the second."""

    def __init__(self) -> None:
        self.caught: int | None = None

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        if self.caught is not None:
            os._exit(128 + signum)
        self.caught = signum
        _announce(signum)
        raise Stopped(signum)


_catcher: _Catcher | None = None


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """A context in which signals end the program: Ctrl-C (SIGINT), SIGTERM, SIGHUP and SIGUSR1.

    Signals that are ignored, as by ``nohup``, stay so. A second signal ends the process at once.

    Raises:
        SystemExit: with 128 + the signal's number.
    """
    global _catcher
    before, outer = {signum: signal.getsignal(signum) for signum in STOPPING}, _catcher
    _catcher = outer or _Catcher()
    try:
        catch_again()
        yield
    except KeyboardInterrupt:  # of a library that has a handler of its own for a while
        if _catcher.caught is None:
            _announce(signal.SIGINT)
        sys.exit(128 + signal.SIGINT)
    except Stopped as stopped:
        sys.exit(128 + stopped.signum)
    except BaseException:
        if _catcher.caught is not None:  # another process of the walk was stopped first, or a library hid the signal
            sys.exit(128 + _catcher.caught)
        raise
    finally:
        _catcher = outer
        for signum, handler in before.items():
            _set(signum, handler)


def catch_again() -> None:
    """Within :func:`stop_on_signals`, take back the signals for which a library has put its own handler in front."""
    for signum in STOPPING:
        if _catcher is not None and signal.getsignal(signum) != signal.SIG_IGN:
            _set(signum, _catcher)


def _set(signum: int, handler: object) -> None:
    with suppress(ValueError, TypeError):  # not in the main thread, or not set from Python
        signal.signal(signum, handler)  # type: ignore[arg-type]


def _announce(signum: int) -> None:
    """Write the line past Python's own buffers, which the signal may have interrupted."""
    if any(os.environ.get(name, "0") != "0" for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID")):
        return  # the first process speaks for all
    going_on = GOING_ON.get(sys.argv[1] if len(sys.argv) > 1 else "", "")
    line = f"asmg: stopped by {signal.Signals(signum).name}" + (f": {going_on}" if going_on else "") + "\n"
    with suppress(OSError):
        os.write(2, ("\n" * os.isatty(2) + line).encode())
