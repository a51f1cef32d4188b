"""Walks, each a process of its own, several at a time."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import TimeoutError
from multiprocessing.pool import IMapIterator, ThreadPool
from pathlib import Path
from typing import Any

import yaml

from asmg_pl.errors import ConfigError, DataError
from asmg_pl.experiments.finished import Finished, call_marks, stays
from asmg_pl.experiments.run_files import peak_of
from asmg_pl.system.files import written_whole

logger = logging.getLogger(__name__)

PEAK, LOG = "peak_memory_mib.txt", "log.txt"

#: A walk that has ended, the reason if it has failed, and its seconds.
Ended = tuple["Walk", str | None, float]

#: Seconds for which the program waits for its walks to end when it is stopped itself.
PATIENCE = 15.0


@dataclass(frozen=True)
class Walk:
    """A call of ``asmg fit``.

    Attributes:
        folder: the run folder.
        seed: of the walk.
        arguments: all further ones.
    """

    folder: Path
    seed: int
    arguments: tuple[str, ...]

    @property
    def command(self) -> list[str]:
        """The command that begins the walk, or goes on with it."""
        return [*program(), "fit", *self.own_arguments, "--ckpt_path", "last"]

    @property
    def own_arguments(self) -> tuple[str, ...]:
        """All arguments of the walk, its seed and its folder too."""
        own = ("--seed_everything", str(self.seed), "--trainer.default_root_dir", str(self.folder))
        return (*self.arguments, *own)


def walk_all(walks: Sequence[Walk], jobs: int, alike: bool = False) -> list[Walk]:
    """Run walks, ``jobs`` at a time, and log a line as each ends.

    A finished walk is not started again unless something has changed since (:mod:`asmg_pl.experiments.finished`), and
    an interrupted one goes on. If this program is stopped, its walks are stopped too.

    Args:
        walks: the walks.
        jobs: how many of them run at a time.
        alike: whether the walks differ in seed and start only, so that what is refused for one is refused for all.

    Returns:
        The walks that have failed; the end of their output has been logged.

    Raises:
        ConfigError: with the message of ``asmg fit``, if the walks are alike and one was refused before it began.
    """
    processes, finished, failed = _Processes(), Finished(), []
    there = [one for one in walks if finished.has(one.folder, one.own_arguments)]
    if there:
        logger.info("%d of %d walks have ended before, and nothing has changed since", len(there), len(walks))
        walks = [one for one in walks if one not in there]

    def run(one: Walk) -> Ended:
        began = time.perf_counter()
        return one, _run(one, processes, finished), time.perf_counter() - began

    with ThreadPool(jobs) as pool:
        try:
            results = _as_they_end(pool.imap_unordered(run, walks))
            for ended, (one, failure, seconds) in enumerate(results, start=1):
                how = "failed after" if failure else "done in"
                logger.info("[%d/%d] %s %s %.0f s", ended, len(walks), one.folder, how, seconds)
                if failure and alike and (reason := _refusal(one)):
                    raise ConfigError(reason)
                if failure:
                    failed.append(one)
                    logger.error(failure)
        except BaseException:
            processes.stop()
            raise
    return failed


def _as_they_end(results: IMapIterator[Ended]) -> Iterator[Ended]:
    """The results of walks, each when it is there.

    The wait for one is cut into short ones: a signal that the system has handed to another thread wakes nobody, and
    Python calls its handler when this thread next runs.
    """
    while True:
        try:
            yield results.next(timeout=0.2)
        except TimeoutError:
            continue
        except StopIteration:
            return


def program() -> list[str]:
    """The command ``asmg``, by this interpreter.

    ``-P`` keeps the working folder from the front of the search path, where one of its modules could hide one of
    Python's; ``asmg`` puts it at the end itself. A package that lies in the working folder is found there alone.
    """
    lies_here = Path(__file__).parents[2] == Path.cwd()
    return [sys.executable, *([] if lies_here else ["-P"]), "-m", "asmg_pl"]


def resolved(arguments: Sequence[str], kept: Path | None = None) -> dict[str, Any]:
    """The whole configuration that ``asmg fit`` makes of some arguments.

    Args:
        arguments: of ``asmg fit``.
        kept: a file that keeps it; it is made again if the arguments, the files that they name, or the program change.

    Raises:
        ConfigError: with the message of ``asmg fit``, if it does not accept them.
    """
    marks = call_marks(arguments)
    with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        if kept is not None and (noted := json.loads(kept.read_text(encoding="utf-8")))["marks"] == marks:
            return dict(noted["settings"])
    command = [*program(), "fit", *arguments, "--print_config"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise ConfigError(done.stderr.strip().removeprefix("asmg: "))
    found: dict[str, Any] = yaml.safe_load(done.stdout)
    if kept is not None and stays(found):
        with suppress(TypeError), written_whole(kept) as partial:  # of values that JSON lacks, nothing is kept
            partial.write_text(json.dumps({"marks": marks, "settings": found}, indent=1) + "\n", encoding="utf-8")
    return found


def _run(one: Walk, processes: _Processes, finished: Finished) -> str | None:
    """Run a walk, and note its peak memory if it ends well.

    Returns:
        The reason, with the end of the walk's output, if it has failed.
    """
    one.folder.mkdir(parents=True, exist_ok=True)
    with (one.folder / LOG).open("w+", encoding="utf-8", errors="replace") as log:
        began = time.time_ns()
        status, used = processes.run(one.command, log.fileno())
        if status:
            log.seek(0)
            return f"{one.folder} ended with status {status}; the end of {log.name}:\n{log.read()[-1000:].rstrip()}"
    peak = one.folder / PEAK
    try:
        before = peak_of(peak) if peak.exists() else 0.0
    except DataError as error:
        logger.warning("passed over: %s", error)
        before = 0.0
    peak.write_text(f"{max(before, used):.0f}\n")
    finished.note(one.folder, one.own_arguments, began)
    return None


def _refusal(one: Walk) -> str | None:
    """Why a walk was refused before it began, by its log; ``None`` if it had begun, or its folder has an older one."""
    if {path.name for path in one.folder.iterdir()} != {LOG}:
        return None
    said = "\n" + (one.folder / LOG).read_text(encoding="utf-8", errors="replace")
    _, message, reason = said.rpartition("\nasmg: ")
    return reason.strip() if message else None


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
            # A group of its own: Ctrl-C reaches this program alone, which then stops its walks, each once.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, process_group=0
            )
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
