"""One table of all walks of a study, drawn anew on a terminal as they begin, move on and end.

4 walks: 1 failed, 1 running, 1 waiting, 1 done
  iu/seed-1234       done     31 s
  iu/seed-1235       running  period 14
  wrong/seed-1234    failed   model.window must be at least 1, or null for all periods, got 0
  wrong/seed-1235    waiting
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from asmg_pl.checkpoints.names import newest_first
from asmg_pl.experiments.pool import Began, Ended, Event, Lost, reason_in
from asmg_pl.experiments.walks import Walk
from asmg_pl.system.escaping import terminal

#: The states of a walk. Where there is no room for all walks, those in the first states are shown.
STATES = FAILED, RUNNING, WAITING, DONE = "failed", "running", "waiting", "done"

#: Seconds between two looks at the folders of walks that are running.
BETWEEN = 2.0


class Board:
    """What has become of walks so far."""

    def __init__(self, walks: Sequence[Walk], ended: Sequence[Walk] = ()) -> None:
        """Let all walks wait.

        Args:
            walks: at least one.
            ended: those of them that have ended before.
        """
        above = os.path.commonpath([one.folder.parent for one in walks])
        self._names = {one.folder: terminal(os.path.relpath(one.folder, above)) for one in walks}
        self._states = {one.folder: (DONE, "before") if one in ended else (WAITING, "") for one in walks}

    def note(self, event: Event) -> None:
        """Take in what a pool has told."""
        match event:
            case Began(walk, host):
                state = RUNNING, host and f"on {host}"
            case Lost(walk):
                state = WAITING, "goes on elsewhere"
            case Ended(walk, None, seconds):
                state = DONE, f"{seconds:.0f} s"
            case Ended(walk, failure):
                state = FAILED, _in_a_line(failure or "")
        self._states[walk.folder] = state

    def lines(self, most: int) -> list[str]:
        """The table: the counts, and walks in their order.

        Args:
            most: lines that there are room for, at least one.
        """
        states = [state for state, _ in self._states.values()]
        counts = ", ".join(f"{states.count(state)} {state}" for state in STATES if state in states)
        first = sorted(self._states, key=lambda folder: STATES.index(self._states[folder][0]))[: most - 1]
        width = max((len(self._names[folder]) for folder in first), default=0)
        return [
            f"{len(states)} walk{'s' * (len(states) > 1)}: {counts}",
            *(self._line(folder, width) for folder in self._states if folder in first),
        ]

    def _line(self, folder: Path, width: int) -> str:
        state, more = self._states[folder]
        where = [_place(folder), more] if state == RUNNING else [more]
        return f"  {self._names[folder]:<{width}}  {state:<7}  {' '.join(filter(None, where))}".rstrip()


@contextmanager
def live_table(walks: Sequence[Walk], ended: Sequence[Walk]) -> Iterator[Callable[[Event | None], None]]:
    """A context in which standard error has the table below all messages, if it is a terminal.

    Args:
        walks: all walks of the table.
        ended: those of them that have ended before.

    Yields:
        A function that takes what a pool tells.
    """
    if len(ended) == len(walks) or not sys.stderr.isatty():
        yield lambda _: None
        return
    board, screen, looked = Board(walks, ended), _Screen(), 0.0

    def note(event: Event | None) -> None:
        nonlocal looked
        if event is not None:
            board.note(event)
        if event is not None or time.monotonic() > looked + BETWEEN:
            screen.show(board.lines)
            looked = time.monotonic()

    try:
        yield note
    finally:
        screen.clear()


class _Screen:
    """Lines at the bottom of the terminal. Each is a bar of tqdm, which writes messages above its bars."""

    def __init__(self) -> None:
        from tqdm import tqdm

        self._bar = tqdm
        self._bars: list[tqdm] = []

    def show(self, lines: Callable[[int], Sequence[str]]) -> None:
        """Show what a function makes of the room that there is."""
        size = shutil.get_terminal_size()
        shown = [line[: size.columns - 1] for line in lines(max(size.lines - 2, 1))]
        while len(self._bars) < len(shown):
            place = len(self._bars)
            self._bars.append(self._bar(bar_format="{desc}", position=place, leave=False, file=sys.stderr))
        for bar, line in zip(self._bars, [*shown, *[""] * len(self._bars)], strict=False):
            if bar.desc != line:
                bar.set_description_str(line)

    def clear(self) -> None:
        """Take the lines away."""
        while self._bars:
            self._bars.pop().close()


def _place(folder: Path) -> str:
    """The period of a walk's newest checkpoint."""
    newest = newest_first(folder / "checkpoints")
    return f"period {int(newest[0].name.split('-')[1])}" if newest else ""


def _in_a_line(failure: str) -> str:
    """The program's message in what a failed walk has said, or else the last line."""
    said = reason_in(failure) or failure.rpartition("\n")[2]
    return terminal(said.partition("\n")[0])
