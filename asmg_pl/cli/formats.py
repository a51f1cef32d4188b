"""What ``asmg export --formats`` writes: a folder for each version, ``formats/VERSION`` in the store."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from asmg_pl.serving.formats.names import FORMATS, check_formats
from asmg_pl.serving.manifest import Manifest
from asmg_pl.serving.store import Store

__all__ = ["FORMATS", "check_formats", "own_classes", "write_and_tell"]


def write_and_tell(version: Path, store: Path, formats: Sequence[str], allow: Collection[str]) -> None:
    """Write formats of a version beside it, and say how well they agree with its scores.

    Args:
        version: the folder of a serving package.
        store: which gets ``formats/VERSION``.
        formats: of :data:`~asmg_pl.serving.formats.names.FORMATS`.
        allow: recommenders that the package may name, beside the shipped ones.

    Raises:
        UserError: if a format cannot be written.
    """
    from asmg_pl.serving import open_package
    from asmg_pl.serving.formats.beside import folder_of, write_beside

    package, there = open_package(version, allow), Store(store)
    found = write_beside(package, there, formats)
    worst = max(found.values())
    folder = folder_of(package, there)
    print(f"{folder} has {', '.join(found)}: probabilities differ from the scorer's by {worst:.1e} at most")


def own_classes(version: Path) -> list[str]:
    """The recommenders that a package names. Whoever has just written it has imported them already."""
    from asmg_pl.serving.classes import paths_in

    manifest = Manifest.read(version)
    return [*paths_in({"class_path": manifest.class_path, "init_args": manifest.init_args})]
