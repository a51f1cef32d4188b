"""What a long walk has noted of its early periods, in files beside its checkpoints that are written once.

    notes-000035-3f2a….pt                    notes of the periods up to 35
        ▲
    notes-000060-91bc….pt                    notes of the periods 36 … 60, and the name of the file before
        ▲
    period-000100-phase-001-update.ckpt      notes of the periods 61 … 100, and the name of the newest of these files

So these notes do not make checkpoints grow with the number of periods. A walk of few periods has all its notes in each
checkpoint. The name of a file has a digest of its content, so a walk that goes back to an earlier checkpoint overwrites
no file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch

from asmg_pl.checkpoints.digest import digests_of
from asmg_pl.checkpoints.values import Flaw, integer, mapping, text
from asmg_pl.metrics.by_period import between
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.system.files import remove, written_whole

#: The periods whose notes one file has. A checkpoint has the notes of up to twice as many.
PERIODS = 25

#: The files, whose names begin with their newest period.
FILES = "notes-*.pt"

#: Entries of a checkpoint that have a note for each period.
BY_PERIOD = ("results", "learned")


class Archive:
    """Puts the notes of early periods into files.

    Attributes:
        until: the newest period whose notes are in files; 0 for none.
        newest: the name of the newest file.
    """

    def __init__(self, filed: Mapping[str, Any] | None = None) -> None:
        """Go on from a checkpoint.

        Args:
            filed: its entry, see :attr:`entry`; ``None`` if all its notes are in the checkpoint.
        """
        self.until: int = filed["until"] if filed else 0
        self.newest: str | None = filed["file"] if filed else None

    @property
    def entry(self) -> dict[str, Any] | None:
        """What a checkpoint says of the files; ``None`` if there is none."""
        return None if self.newest is None else {"until": self.until, "file": self.newest}

    def put_away(
        self,
        folder: Path,
        results: dict[int, PeriodResult],
        learned: Mapping[int, Any],
        timings: Sequence[Mapping[str, Any]],
        write: bool = True,
    ) -> None:
        """Write the next file, if there are notes enough.

        Args:
            folder: of the checkpoints.
            results: of the walk, in the order of its periods.
            learned: what its generator has learned, by period.
            timings: of its phases, in their order.
            write: whether this process is the one that writes.

        Raises:
            StorageError: if the disk is full or fails.
        """
        first, last = (next(iter(results)), next(reversed(results))) if results else (0, 0)
        if last - max(self.until, first - 1) < 2 * PERIODS:
            return
        until = last - PERIODS
        content = {
            "before": self.newest,
            "results": {period: vars(result) for period, result in between(results, self.until, until).items()},
            "learned": between(learned, self.until, until),
            "timings": [row for row in timings_after(timings, self.until) if row["period"] <= until],
        }
        self.newest, self.until = f"notes-{until:06d}-{_digest(content)}.pt", until
        if write:
            with written_whole(folder / self.newest) as partial, partial.open("wb") as file:
                torch.save(content, file)

    def remove_later(self, folder: Path) -> None:
        """Remove the files of later periods, which belong to checkpoints that the walk has abandoned."""
        for path in folder.glob(FILES):
            if path.name > f"notes-{self.until:06d}~":  # which sorts after all names of this period
                remove(path)


def timings_after(timings: Sequence[Mapping[str, Any]], period: int) -> list[Mapping[str, Any]]:
    """The timings of the phases after a period, looked for from the end."""
    return [*takewhile(lambda row: row["period"] > period, reversed(timings))][::-1]


def add_filed(checkpoint: dict[str, Any], folder: Path) -> None:
    """Give a checkpoint the notes that are in files.

    Args:
        checkpoint: its entries.
        folder: where it is.

    Raises:
        Flaw: if a file is missing or damaged.
    """
    files, name = [], checkpoint.get("filed", {}).get("file")
    while name is not None:
        files.append(_read(folder / name))
        name = files[-1]["before"]
    for content in files:  # the newest first
        for entry in BY_PERIOD:
            checkpoint[entry] = {**content[entry], **checkpoint[entry]}
        if (report := checkpoint["callbacks"].get("PeriodReport")) is not None:
            report["timings"] = [*content["timings"], *report["timings"]]


def check_filed(entry: str, value: Any) -> None:
    """Check what a checkpoint says of the files."""
    if mapping(entry, value).keys() != {"until", "file"}:
        raise Flaw(entry, "must have the keys until and file")
    integer(f"{entry}.until", value["until"], least=1)
    text(f"{entry}.file", value["file"], r"notes-\d+-[0-9a-f]{16}\.pt")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        before = content["before"]
        if path.name.split("-")[2] != f"{_digest(content)}.pt" or (before is not None and Path(before).name != before):
            raise ValueError
    except Exception as error:  # a damaged archive raises many types of errors
        problem = "is damaged" if path.exists() else "is missing"
        raise Flaw(
            "filed",
            f"names {path}, which {problem}. It has the notes of earlier periods: copy it from the folder where the "
            "checkpoint was written",
        ) from error
    return dict(content)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256("".join(digests_of(content).values()).encode()).hexdigest()[:16]
