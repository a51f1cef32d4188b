"""A round of losing a part of a cluster: start a walk or a conversion, lose the part at a random moment, compare."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

WALK = (
    *("fit", "--model", "IncrementalUpdate", "--model.pretrain_periods", "2", "--model.pretrain_epochs", "1"),
    *("--model.test_from", "6", "--data.source", "DriftingStream", "--data.source.rows", "960"),
    *("--data.source.users", "30", "--data.source.items", "30", "--data.periods", "EqualCounts"),
    *("--data.periods.count", "12", "--data.batch_size", "16", "--trainer.accelerator", "cpu", "--ckpt_path", "last"),
)

Found = Mapping[str, object]


class Scene(ABC):
    """What is walked or converted on what, of which a part is lost.

    Attributes:
        name: of the part that is lost, in the table.
        folder: where all of it happens.
        stack: ends what was started.
    """

    name: str

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        """Prepare what all rounds share."""
        self.folder, self.stack = folder, stack
        folder.mkdir(parents=True)

    @abstractmethod
    def start(self, number: int) -> None:
        """Start a round."""

    @abstractmethod
    def begun(self, number: int) -> bool:
        """Whether there is a first sign of work."""

    @abstractmethod
    def running(self) -> bool:
        """Whether the round has not ended."""

    @abstractmethod
    def lose(self, draw: random.Random) -> None:
        """Lose a part, and bring another one in its place."""

    @abstractmethod
    def end(self) -> int:
        """Wait for the end; the exit status."""

    @abstractmethod
    def left(self, number: int) -> Found:
        """What a round has left: bytes or numbers by name."""

    def same(self, found: Found, expected: Found) -> bool:
        """Whether a round has left what it should."""
        return found == expected

    def call(self, command: Sequence[str], log: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a program in a session of its own, which ends with the scene."""
        environ = os.environ | {"OMP_NUM_THREADS": "1"} | variables
        with (self.folder / log).open("ab") as out:
            process = subprocess.Popen(
                command, cwd=self.folder, env=environ, stdout=out, stderr=out, start_new_session=True
            )
        self.stack.callback(kill_all, process)
        return process


@dataclass
class Tally:
    """What has become of rounds.

    Attributes:
        rounds: how many there were.
        lost: parts that were lost while a round was under way.
        late: moments that came after the end of their round.
        complaints: a sentence for each round that ended in another way than an undisturbed one.
    """

    rounds: int = 0
    lost: int = 0
    late: int = 0
    complaints: list[str] = field(default_factory=list)


def lose_in(scene: Scene, number: int, moments: Sequence[float], expected: Found, draw: random.Random) -> Tally:
    """One round.

    Args:
        scene: what happens.
        number: of the round.
        moments: at which a part is lost, in seconds from the first sign of work, ascending.
        expected: what an undisturbed round leaves.
        draw: which part, and for how long, depends on it.
    """
    tally = Tally(rounds=1)
    wait_for_begin(scene, number)
    began = time.perf_counter()
    for moment in moments:
        time.sleep(max(0.0, moment - (time.perf_counter() - began)))
        if scene.running():
            scene.lose(draw)
            tally.lost += 1
        else:
            tally.late += 1
    status = scene.end()
    if status or not scene.same(scene.left(number), expected):
        what = f"exit status {status}" if status else "what it has left differs"
        tally.complaints = [f"{scene.name}, round {number}: {what}, see {scene.folder}"]
    return tally


def undisturbed(scene: Scene) -> tuple[float, Found]:
    """The seconds from the first sign of work to the end, and what is left, where nothing is lost."""
    wait_for_begin(scene, 0)
    began = time.perf_counter()
    status, ended = scene.end(), time.perf_counter()
    if status or not scene.same(found := scene.left(0), found):
        sys.exit(f"{scene.name}: the undisturbed round has failed (exit status {status}), see {scene.folder}")
    return ended - began, found


def wait_for_begin(scene: Scene, number: int) -> None:
    """Start a round, and wait for its first sign of work."""
    scene.start(number)
    while scene.running() and not scene.begun(number):
        time.sleep(0.5)


def scores(folder: Path) -> dict[str, object]:
    """All scores of a walk, as texts by column."""
    return {**pl.read_csv(folder / "metrics.csv", infer_schema=False).to_dict(as_series=False)}


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """Kill a program that is still there, and all that it has started."""
    if process.poll() is None:
        for number in [process.pid, *_below(process.pid)]:
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait()


def _below(number: int) -> list[int]:
    """The processes that a process has started, and those that these have."""
    try:
        children = [int(each) for each in Path(f"/proc/{number}/task/{number}/children").read_text().split()]
    except OSError:
        return []
    return [*children, *(each for child in children for each in _below(child))]
