"""A round of killing: start, kill at a moment, call again until the command ends, compare."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import NamedTuple

from killing.commands import Command, Digest, Place, call, start

#: How often a killed command is called again before the round counts as lost.
CALLS = 3


class Outcome(NamedTuple):
    """How a round ended: ``same bytes``, ``ended before`` (the command was faster than its death), or ``lost``."""

    kind: str
    complaints: list[str]


def kill_once(command: Command, place: Place, draw: random.Random, chosen: bool, number: int) -> Outcome:
    """One round.

    Args:
        command: what is killed.
        place: where.
        draw: moments depend on it.
        chosen: whether it is killed when one of its files is being written, else at a random moment.
        number: of the round, for the name of its folder.
    """
    target = place.target(command, number)
    arguments = command.prepare(place, target)
    log = target.with_name(target.name + ".log")
    process = start(arguments, place.folder, log)
    began = time.perf_counter()
    if chosen:
        wait_for_writing(target, skip=draw.randrange(command.writes), alive=lambda: process.poll() is None)
    else:
        first, last = place.seconds[command.name]
        time.sleep(max(0.0, draw.uniform(0.8 * first, last) - (time.perf_counter() - began)))
    process.kill()
    killed = process.wait() < 0
    expected = place.expected[command.name]
    for _ in range(CALLS):
        again = call(arguments, place.folder)
        if again.returncode == 0 or _left(command, target) == expected:  # it may refuse to do again what was done
            break
    else:
        return Outcome("lost", [f"{command.name}, round {number}: {again.stderr.strip()}"])
    found = _left(command, target)
    if found != expected:
        other = sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
        return Outcome("lost", [f"{command.name}, round {number}: {', '.join(other[:5])} differ in {target}"])
    return Outcome("same bytes" if killed else "ended before", [])


def _left(command: Command, target: Path) -> Digest:
    try:
        return command.digest(target)
    except (OSError, ValueError):  # nothing yet
        return {}


def wait_for_writing(target: Path, skip: int, alive: object) -> None:
    """Wait until the file system shows the ``skip``-th change of what the command writes."""
    seen = _state(target)
    while callable(alive) and alive():
        now = _state(target)
        if now != seen:
            seen, skip = now, skip - 1
            if skip < 0:
                return
        time.sleep(0.0002)


def _state(target: Path) -> frozenset[str]:
    """The files that are there, those that are being written included."""
    found = [*target.parent.glob(f".{target.name}*"), target]
    try:
        return frozenset(str(path) for place in found for path in (place, *place.rglob("*")))
    except OSError:  # a folder went away meanwhile, which is a change
        return frozenset({str(time.perf_counter())})
