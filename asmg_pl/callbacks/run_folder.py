"""Which walk a run folder holds.

Its identity is a random number, which its checkpoints have too, and ``walk.json``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl

from asmg_pl.checkpoints.io import newest_first, read_checkpoint
from asmg_pl.errors import CheckpointError
from asmg_pl.system.files import written_whole

CHECKPOINTS, IDENTITY, SCORES = "checkpoints", "walk.json", "metrics.csv"

#: The identity of a walk that has left none.
UNKNOWN = "unknown"


def walk_in(folder: Path) -> str | None:
    """The identity of the walk in a run folder, :data:`UNKNOWN` if it cannot be told; ``None`` if there is none.

    A walk that was stopped before its first checkpoint has nothing to lose, and is none. It may have scored a period.
    """
    try:
        found = json.loads((folder / IDENTITY).read_text())["walk"]
        if isinstance(found, str):
            return found
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not written yet, or damaged: its checkpoints have it too
    checkpoints = newest_first(folder / CHECKPOINTS)
    for checkpoint in checkpoints:
        try:
            return str(read_checkpoint(checkpoint).get("walk", UNKNOWN))
        except CheckpointError:
            continue
    return UNKNOWN if checkpoints or (folder / IDENTITY).exists() or len(scored_periods(folder)) > 1 else None


def write_identity(folder: Path, walk: str) -> None:
    """Note which walk the folder holds from now on."""
    with written_whole(folder / IDENTITY) as partial:
        partial.write_text(json.dumps({"walk": walk}) + "\n")


def scored_periods(folder: Path) -> list[int]:
    """The periods of which the folder has scores; none if they cannot be read."""
    try:
        return pl.read_csv(folder / SCORES, columns=["period"])["period"].cast(pl.Int64).to_list()
    except (OSError, pl.exceptions.PolarsError):
        return []


def last_period(checkpoint: Path) -> int:
    """The period that a checkpoint's name tells; 0 if it is called otherwise."""
    found = re.match(r"period-(\d+)-", checkpoint.name)
    return int(found[1]) if found else 0
