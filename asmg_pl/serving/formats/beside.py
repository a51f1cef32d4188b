"""Formats beside the versions of a store: a folder for each version, ``formats/VERSION``. A version never changes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from asmg_pl.serving.formats.names import check_formats
from asmg_pl.serving.package import Package
from asmg_pl.serving.store import FORMATS, Store


def write_beside(package: Package, store: Store, formats: Sequence[str]) -> dict[str, float]:
    """Write formats of a version. Those of versions that the store has no longer are removed.

    Args:
        package: the version.
        store: which gets ``formats/VERSION``.
        formats: of :data:`~asmg_pl.serving.formats.names.FORMATS`.

    Returns:
        See :func:`~asmg_pl.serving.formats.write_formats`.

    Raises:
        UserError: if a format cannot be written.
    """
    from asmg_pl.serving.formats.writing import write_formats  # needs much more than the names

    check_formats(formats)
    found = write_formats(package, folder_of(package, store), formats)
    if package.name in store.versions():
        store.sweep()
    return found


def are_beside(package: Package, store: Store, formats: Sequence[str]) -> bool:
    """Whether a store has these formats of a version already.

    Args:
        package: the version.
        store: the store.
        formats: of :data:`~asmg_pl.serving.formats.names.FORMATS`.
    """
    try:
        told = json.loads((folder_of(package, store) / "formats.json").read_bytes())
        programs, of_package = [*told["largest_differences"]], told["provenance"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
    if of_package != dict(package.manifest.provenance):
        return False
    there = {"vectors" if name.startswith("vectors/") else name.removeprefix("model.") for name in programs}
    return there >= {*formats}


def folder_of(package: Package, store: Store) -> Path:
    """The folder of a version's formats."""
    return store.folder / FORMATS / package.name
