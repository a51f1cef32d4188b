"""Answering requests: the serving package that a walk leaves, the store of its versions, and what reads them.

A process that answers requests imports neither Lightning nor any other part of the training side.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asmg_pl.serving.contents import Contents
    from asmg_pl.serving.package import Package, open_package
    from asmg_pl.serving.store import Store
    from asmg_pl.serving.writer import write

#: Where the names stand. They are imported when they are first used.
_HOMES = {
    "Contents": "contents",
    "Package": "package",
    "Store": "store",
    "open_package": "package",
    "write": "writer",
}

__all__ = ["Contents", "Package", "Store", "open_package", "write"]


def __getattr__(name: str) -> Any:
    """Import one of the names, and keep it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """All names, also those that have not been imported yet."""
    return sorted({*globals(), *__all__})
