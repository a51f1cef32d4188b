"""Two commands at the same instant on the same folder: nothing is lost, and who could not do its work is told."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import polars as pl

from killing.commands import COMMANDS, ROWS, Place, of_stream, start

Together = Callable[[Place, int], list[str]]


def twice(name: str, place: Place, number: int) -> list[str]:
    """Two processes do the same at once: one does it, the other is told, and what is left is what one leaves."""
    command = COMMANDS[name]
    target = place.target(command, f"twice-{number}")
    arguments = command.prepare(place, target)
    codes, texts = _both([arguments, arguments], place.folder, target)
    if command.digest(target) != place.expected[name]:
        return [f"two of {name}, round {number}: {target} has other bytes than one leaves ({codes})"]
    if sorted(codes) != [0, 2] or not all(texts):
        return [f"two of {name}, round {number}: exit statuses {codes}, {texts}"]
    return []


def append_beside_walk(place: Place, number: int) -> list[str]:
    """A walk reads the old stream or the new one, never a mixture, and the append is whole."""
    target = place.target(COMMANDS["append"], f"beside-{number}")
    append = COMMANDS["append"].prepare(place, target)
    run = target.with_name(target.name + "-run")
    walk = [*COMMANDS["fit"].prepare(place, run)]
    walk[walk.index("--data.root") + 1] = target.name
    codes, texts = _both([append, walk], place.folder, target)
    if codes != [0, 0]:
        return [f"append beside a walk, round {number}: exit statuses {codes}, {texts}"]
    if of_stream(target) != place.expected["append"]:
        return [f"append beside a walk, round {number}: {target} has other bytes than an append makes"]
    scored = set(pl.read_csv(run / "metrics.csv")["rows"])
    if len(scored) != 1 or scored - {ROWS // 9, (ROWS - 100) // 9}:
        return [f"append beside a walk, round {number}: periods of {sorted(scored)} rows"]
    return []


def _both(commands: Sequence[Sequence[str]], folder: Path, target: Path) -> tuple[list[int], list[str]]:
    """Exit statuses and outputs of commands that are started together."""
    logs = [target.with_name(f"{target.name}-{number}.log") for number in range(len(commands))]
    processes: list[subprocess.Popen[bytes]] = [start(c, folder, log) for c, log in zip(commands, logs, strict=True)]
    return [process.wait() for process in processes], [log.read_text().strip() for log in logs]


PAIRS: dict[str, Together] = {
    "two appends": partial(twice, "append"),
    "two walks": partial(twice, "fit"),
    "two updates": partial(twice, "update"),
    "append beside a walk": append_beside_walk,
}
