"""Walks as processes, and the pool that runs some at a time on this machine."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from multiprocessing.pool import ThreadPool
from queue import Queue

from asmg_pl.errors import DataError
from asmg_pl.experiments.pool import PATIENCE, Began, Ended, Event, arriving
from asmg_pl.experiments.run_files import peak_of
from asmg_pl.experiments.walks import LOG, PEAK, Walk
from asmg_pl.system.signals import PARENT

logger = logging.getLogger(__name__)

#: Runs a command, whose output goes to a file descriptor; gives its exit status and its peak memory in MiB.
Runner = Callable[[Sequence[str], int], tuple[int, float]]


def run_walk(one: Walk, run: Runner) -> Ended:
    """Run a walk to its end, and note its peak memory if it ends well.

    Raises:
        OSError: if the run folder cannot be made.
    """
    one.folder.mkdir(parents=True, exist_ok=True)
    began, clock = time.time_ns(), time.perf_counter()
    with (one.folder / LOG).open("w+", encoding="utf-8", errors="replace") as log:
        status, used = run(one.command, log.fileno())
        log.seek(0)
        said = log.read()[-1000:].rstrip() if status else ""
    seconds = time.perf_counter() - clock
    if status:
        failure = f"{one.folder} ended with status {status}; the end of {one.folder / LOG}:\n{said}"
        return Ended(one, failure, seconds, began)
    peak = one.folder / PEAK
    try:
        before = peak_of(peak) if peak.exists() else 0.0
    except DataError as error:
        logger.warning("passed over: %s", error)
        before = 0.0
    peak.write_text(f"{max(before, used):.0f}\n")
    return Ended(one, None, seconds, began)


def started(command: Sequence[str], out: int, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a process that ends when this one does, however this one ends.

    Args:
        command: the program with its arguments.
        out: the file descriptor of its output.
        environ: variables that it has beside those of this process.
    """
    # A group of its own: Ctrl-C reaches this program alone, which then stops its walks, each once.
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.STDOUT,
        env=os.environ | environ | {PARENT: str(os.getpid())},
        process_group=0,
    )


class LocalPool:
    """Runs walks on this machine."""

    def __init__(self, jobs: int = 1) -> None:
        """Run nothing yet.

        Args:
            jobs: walks at a time.
        """
        self._jobs = jobs

    def run(self, walks: Sequence[Walk]) -> Generator[Event | None, None, None]:
        """Run walks, see :class:`~asmg_pl.experiments.pool.Pool`."""
        told: Queue[Event | BaseException] = Queue()
        processes = _Processes()

        def walk(one: Walk) -> None:
            try:
                told.put(Began(one))
                told.put(run_walk(one, processes.run))
            except BaseException as error:
                told.put(error)

        with ThreadPool(self._jobs) as threads:
            try:
                threads.map_async(walk, walks, chunksize=1)
                yield from arriving(told, len(walks))
            except BaseException:
                processes.stop()
                raise


class _Processes:
    """The processes of walks that are under way, which can be stopped together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: set[int] = set()
        self._stopping = False

    def run(self, command: Sequence[str], out: int) -> tuple[int, float]:
        """Run a command to its end; its exit status, and its peak memory in MiB."""
        with self._lock:
            if self._stopping:
                return 1, 0.0
            process = started(command, out, {})
            self._under_way.add(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        with self._lock:
            self._under_way.discard(process.pid)
        process.returncode = os.waitstatus_to_exitcode(status)
        return process.returncode, used.ru_maxrss / 1024

    def stop(self) -> None:
        """Stop all processes that are under way, and let no other begin."""
        with self._lock:
            self._stopping = True
            for pid in self._under_way:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + PATIENCE
        while self._under_way and time.monotonic() < until:
            time.sleep(0.05)
