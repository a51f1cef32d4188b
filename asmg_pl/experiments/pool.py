"""A pool: where walks run, on this machine or on a cluster, and what it tells of them as they run."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, Queue
from typing import Protocol

from asmg_pl.experiments.walks import Walk

#: Seconds for which the program waits for its walks to end when it is stopped itself.
PATIENCE = 15.0

#: Seconds after which a pool says that nothing has happened.
MOMENT = 0.2


@dataclass(frozen=True)
class Began:
    """A walk has begun, or goes on.

    Attributes:
        walk: the walk.
        host: the machine, where it is not this one.
    """

    walk: Walk
    host: str = ""


@dataclass(frozen=True)
class Lost:
    """The machine, or the process, that ran a walk has gone. The walk goes on elsewhere from its last checkpoint.

    Attributes:
        walk: the walk.
        reason: what is known of it, in a line.
    """

    walk: Walk
    reason: str


@dataclass(frozen=True)
class Ended:
    """A walk has ended.

    Attributes:
        walk: the walk.
        failure: the reason, with the end of its output, if it has failed.
        seconds: that it took, since it began or went on for the last time.
        began: when that was, in nanoseconds since 1970.
    """

    walk: Walk
    failure: str | None
    seconds: float
    began: int


Event = Began | Lost | Ended


class Pool(Protocol):
    """Runs walks, several at a time."""

    def run(self, walks: Sequence[Walk]) -> Generator[Event | None, None, None]:
        """Run walks to their ends.

        Args:
            walks: no two of them in one folder.

        Yields:
            What becomes of them, as it happens, and ``None`` where nothing has happened for a moment. If the generator
            is closed before its end, the walks under way are stopped.

        Raises:
            OSError: if a run folder cannot be made.
        """


def arriving(told: Queue[Event | BaseException], count: int) -> Iterator[Event | None]:
    """What other threads tell, until so many walks have ended; ``None`` after a moment without anything.

    The wait is cut into short ones: a signal that the system has handed to another thread wakes nobody, and Python
    calls its handler when the main thread next runs.

    Raises:
        BaseException: that which another thread has told.
    """
    while count:
        try:
            event = told.get(timeout=MOMENT)
        except Empty:
            yield None
            continue
        if isinstance(event, BaseException):
            raise event
        count -= isinstance(event, Ended)
        yield event


def reason_in(output: str) -> str:
    """The message of the program in what a walk has said; empty if there is none."""
    _, found, reason = f"\n{output}".rpartition("\nasmg: ")
    return reason.strip() if found else ""
