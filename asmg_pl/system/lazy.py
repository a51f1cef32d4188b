"""Names of a package that are imported when they are first used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The functions ``__getattr__`` and ``__dir__`` of a package.

    Args:
        package: its ``__name__``.
        homes: by name, the module in which it stands; one that begins with a dot is a module of the package.

    Examples:
        >>> find, names = lazy("asmg_pl.data", {"Sizes": ".sizes"})
        >>> find("Sizes")(users=2, items=3).items, "Sizes" in names()
        (3, True)
    """

    def find(name: str) -> Any:
        """Import one of the names, and keep it."""
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(homes[name], package), name)
        setattr(sys.modules[package], name, found)
        return found

    def names() -> list[str]:
        """All names, also those that have not been imported yet."""
        return sorted({*vars(sys.modules[package]), *homes})

    return find, names
