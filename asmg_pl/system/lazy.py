"""Names of a package, and modules, that are imported when they are first used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
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


def later(module: str) -> Any:
    """A module that is imported when something of it is first used, since it takes seconds.

    A file that only hands its functions on, or that works without the module in most commands, names it so:

        if TYPE_CHECKING:
            import torch
        else:
            torch = later("torch")

    Examples:
        >>> text = later("textwrap")
        >>> text.shorten("a long text", 8)
        'a [...]'
    """
    return _Later(module)


class _Later:
    def __init__(self, module: str) -> None:
        self._name = module
        self._module: ModuleType | None = None

    def __getattr__(self, name: str) -> Any:
        if self._module is None:
            self._module = import_module(self._name)
        return getattr(self._module, name)
