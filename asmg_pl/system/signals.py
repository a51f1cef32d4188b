"""Signals that stop the program: one line says how to go on, and the exit status is 128 + the signal's number.

A signal stops the program at any point. Files are written aside until they are whole, so only the present phase, or the
present part of a stream, is lost.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from asmg_pl.system.environment import process_rank

#: SLURM can announce the end of a job's time with SIGUSR1.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)

#: The variable with which a program names itself to a process that is to stop when the program has ended.
PARENT = "ASMG_PARENT"

#: Seconds after which a process ends that waits in a library, where Python's handlers do not run.
PATIENCE = 10.0


class Stopped(BaseException):
    """An exception that stops the program after a signal.

    It is not a subclass of :class:`Exception`, so no code handles it as an error.
    """

    def __init__(self, signum: int) -> None:
        """Keep the number of the signal."""
        super().__init__(signum)
        self.signum = signum


class _Catcher:
    """A handler that raises :class:`Stopped` at the first signal, and ends the process at the second."""

    def __init__(self, advice: Callable[[], str]) -> None:
        self.caught: int | None = None
        self.asked: int | None = None  # the signal that a patient caller is to heed
        self.patient = False
        self._heeded = False  # the same, as the thread sees it
        self._advice = advice
        self._said = threading.Lock()

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        if self.caught is not None:
            os._exit(128 + signum)
        if self.patient and self.asked is None:
            self.asked = signum
            return
        self.caught = signum
        self.say(signum)
        raise Stopped(signum)

    def say(self, signum: int) -> None:
        """Write the line once. It bypasses Python's buffers, which the signal may have interrupted."""
        if not self._said.acquire(blocking=False):
            return
        if process_rank():
            return  # the first process writes for all
        advice = self._advice()
        line = f"\nasmg: stopped by {signal.Signals(signum).name}" + (f": {advice}" if advice else "") + "\n"
        with suppress(OSError):
            os.write(2, line.encode())

    def watch(self, pipe: int) -> None:
        """Wait for the numbers of signals from a pipe, in a thread that also runs while the main thread waits."""
        while number := os.read(pipe, 1):
            if number[0] in STOPPING and self.patient and not self._heeded:
                self._heeded = True
            elif number[0] in STOPPING:
                self.say(number[0])
                threading.Event().wait(PATIENCE)
                if self.caught is None:
                    os._exit(128 + number[0])
        os.close(pipe)


_catcher: _Catcher | None = None


@contextmanager
def stop_on_signals(advice: Callable[[], str] = str) -> Iterator[None]:
    """A context in which signals end the program: Ctrl-C (SIGINT), SIGTERM, SIGHUP and SIGUSR1.

    Signals that are ignored, as under ``nohup``, stay ignored. A second signal ends the process at once. Of the
    processes that Lightning has launched, only the first one handles signals; it ends the others. A process that was
    started with :data:`PARENT` stops as if it had got SIGTERM when its parent has ended, even if that was killed.

    Args:
        advice: says how to go on, when the program stops; nothing by default.

    Raises:
        SystemExit: with 128 + the signal's number.
    """
    global _catcher
    if _catcher is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signum: signal.getsignal(signum) for signum in STOPPING}
    _catcher = catcher = _Catcher(advice)
    read, write = os.pipe()
    os.set_blocking(write, False)
    woken = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    threading.Thread(target=catcher.watch, args=(read,), daemon=True).start()
    if parent := os.environ.pop(PARENT, ""):  # which is not that of this process's own children
        threading.Thread(target=_stop_with_parent, args=(int(parent),), daemon=True).start()
    if _is_launched():
        threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    try:
        catch_again()
        yield
    except KeyboardInterrupt:  # a library has set its own handler for a while
        catcher.say(signal.SIGINT)
        sys.exit(128 + signal.SIGINT)
    except BaseException:  # Stopped, or an error caused by another process that was stopped first
        if catcher.caught is not None:
            sys.exit(128 + catcher.caught)
        raise
    finally:
        _catcher = None
        for signum, handler in before.items():
            _set(signum, handler)
        signal.set_wakeup_fd(woken)
        os.close(write)


def catch_again() -> None:
    """Within :func:`stop_on_signals`, set the handler again where a library has replaced it."""
    for signum in STOPPING:
        if _catcher is not None and signal.getsignal(signum) != signal.SIG_IGN:
            _set(signum, signal.SIG_IGN if _is_launched() else _catcher)


@contextmanager
def patiently() -> Iterator[Callable[[], bool]]:
    """A context in which the first signal stops nothing: the caller asks whether one has come, and ends by itself.

    The second signal stops the program as everywhere. Outside of :func:`stop_on_signals` no signal is noted.

    Yields:
        A function that says whether a signal has come.
    """
    catcher = _catcher
    if catcher is None:
        yield lambda: False
        return
    catcher.patient = True
    try:
        yield lambda: catcher.asked is not None
    finally:
        catcher.patient = False


def is_stopping() -> bool:
    """Whether a signal has stopped the program. An error after it may come from a library that it interrupted."""
    return _catcher is not None and _catcher.caught is not None


def _is_launched() -> bool:
    """Whether Lightning has launched this process from the walk's first one."""
    return os.environ.get("LOCAL_RANK", "0") != "0" and "RANK" not in os.environ


def _stop_with_parent(parent: int) -> None:
    """Watch, in a thread, for the end of the program that has started this one, and stop."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


def _end_with_parent(parent: int) -> None:
    """Watch, in a thread, for the end of the first process, and end this launched one, which may wait for it."""
    while os.getppid() == parent:
        time.sleep(0.5)
    time.sleep(PATIENCE)  # time in which it reports itself that there is no answer
    os._exit(2)


def _set(signum: int, handler: object) -> None:
    with suppress(TypeError):  # the handler was not set from Python
        signal.signal(signum, handler)  # type: ignore[arg-type]
