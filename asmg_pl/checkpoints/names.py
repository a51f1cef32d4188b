"""The names of checkpoints. Nothing heavy is imported here."""

from __future__ import annotations

from pathlib import Path


def newest_first(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the newest first; their names sort by the place in the walk."""
    return sorted(folder.glob("period-*.ckpt"), reverse=True)
