"""What ``asmg export --formats`` writes: a folder for each version, ``formats/VERSION`` in the store."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from asmg_pl.serving.formats.names import FORMATS, check_formats
from asmg_pl.serving.manifest import Manifest
from asmg_pl.serving.store import Store
from asmg_pl.system.files import PARTIAL, remove

__all__ = ["FORMATS", "check_formats", "own_classes", "write_beside"]

#: The folder in a store that has one folder for each version.
FOLDER = "formats"


def write_beside(version: Path, store: Path, formats: Sequence[str], allow: Collection[str]) -> None:
    """Write formats of a version, and say how well they agree with its scores.

    A version never changes, so that its formats are in a folder of their own. Those of versions that the store has no
    longer are removed.

    Args:
        version: the folder of a serving package.
        store: which gets ``formats/VERSION``.
        formats: of :data:`~asmg_pl.serving.formats.names.FORMATS`.
        allow: recommenders that the package may name, beside the shipped ones.

    Raises:
        UserError: if a format cannot be written.
    """
    from asmg_pl.serving import open_package
    from asmg_pl.serving.formats import write_formats

    package = open_package(version, allow)
    folder = store / FOLDER / package.name
    found = write_formats(package, folder, formats)
    worst = max(found.values())
    print(f"{folder} has {', '.join(found)}: probabilities differ from the scorer's by {worst:.1e} at most")
    versions = Store(store).versions()
    if package.name in versions:
        for old in folder.parent.iterdir():
            if old.name not in versions and not old.name.endswith(PARTIAL):
                remove(old)


def own_classes(version: Path) -> list[str]:
    """The recommenders that a package names. Whoever has just written it has imported them already."""
    from asmg_pl.serving.classes import paths_in

    manifest = Manifest.read(version)
    return [*paths_in({"class_path": manifest.class_path, "init_args": manifest.init_args})]
