"""Follows a folder: each file that arrives there is taken, until the program is told to stop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from asmg_pl.convert.sources import SourceFile
from asmg_pl.errors import BusyError, DataError
from asmg_pl.operations.arrivals import Arrivals
from asmg_pl.operations.update import Updated

log = logging.getLogger(__name__)

#: The most seconds until the program notices that it is told to stop.
_SOON = 0.2


def follow(
    arrivals: Arrivals,
    update: Callable[[Sequence[Path]], Updated],
    taken: Callable[[], Mapping[str, str]],
    tell: Callable[[Updated], None],
    due: Callable[[], bool],
    stopping: Callable[[], bool],
    every: float,
) -> None:
    """Take files one by one, an update for each, so that it makes no difference how many have arrived by then.

    Args:
        arrivals: watches the folder.
        update: the daily job; called with one file, and without one at the beginning and when time alone has completed
            a period.
        taken: the digests of files that the stream has.
        tell: takes what each update has come to.
        due: whether time alone has completed a period since the last update.
        stopping: whether the program is told to stop. An update that has begun is finished first.
        every: the seconds between two looks at the folder.

    Raises:
        UserError: if a file cannot be taken and nobody is writing to it, or something else is wrong that the user can
            mend.
    """
    taking: list[SourceFile] = []
    passed: dict[str, str] = {}  # files that this program has given to an update, also those that brought no row
    while not stopping():
        try:
            tell(update([source.path for source in taking]))
        except BusyError as busy:
            log.warning("%s. The next try is in %g s", busy, every)
            _rest(every, stopping)
            continue
        except DataError as error:
            _rest(every, stopping)
            if all(source.unchanged() for source in taking):
                raise
            log.warning("%s\nSomebody goes on writing the file: it is taken when it is whole", error)
            taking = []
        passed |= {source.digest: source.path.name for source in taking}
        while not stopping() and not (taking := arrivals.look({**taken(), **passed})[:1]) and not due():
            _rest(every, stopping)


def _rest(seconds: float, stopping: Callable[[], bool]) -> None:
    """Sleep, or return soon after the program is told to stop."""
    until = time.monotonic() + seconds
    while not stopping() and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, _SOON))
