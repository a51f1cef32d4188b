"""Keep recommender models fresh along a stream, period by period, with a learned meta generator (ASMG)."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

# At once, although the other names wait: a function that was looked up later would be hidden by its module, whose name
# it has. The module itself imports nothing that takes long.
from asmg_pl.system.lazy import lazy
from asmg_pl.walk import Walk, walk

logging.getLogger(__name__).addHandler(logging.NullHandler())  # a library only logs: whoever uses it shows the log

if TYPE_CHECKING:
    from asmg_pl.callbacks import PeriodLoop
    from asmg_pl.data import EqualCounts, PeriodDataModule
    from asmg_pl.data.sources import DriftingStream, Stream
    from asmg_pl.generators import ResidualGRU
    from asmg_pl.recommenders import EmbeddingMLP, Recommender
    from asmg_pl.updaters import ASMG, IncrementalUpdate, Updater

    __version__: str

#: Where the names stand that are imported when they are first used, since torch and Lightning take seconds to import.
_HOMES = {
    "ASMG": "asmg_pl.updaters",
    "DriftingStream": "asmg_pl.data.sources",
    "EmbeddingMLP": "asmg_pl.recommenders",
    "EqualCounts": "asmg_pl.data",
    "IncrementalUpdate": "asmg_pl.updaters",
    "PeriodDataModule": "asmg_pl.data",
    "PeriodLoop": "asmg_pl.callbacks",
    "Recommender": "asmg_pl.recommenders",
    "ResidualGRU": "asmg_pl.generators",
    "Stream": "asmg_pl.data.sources",
    "Updater": "asmg_pl.updaters",
}

__all__ = [
    "ASMG",
    "DriftingStream",
    "EmbeddingMLP",
    "EqualCounts",
    "IncrementalUpdate",
    "PeriodDataModule",
    "PeriodLoop",
    "Recommender",
    "ResidualGRU",
    "Stream",
    "Updater",
    "Walk",
    "walk",
]


_find, _names = lazy(__name__, _HOMES)


def __getattr__(name: str) -> Any:
    """Import one of the names, or read the version, and keep it."""
    if name != "__version__":
        return _find(name)
    globals()[name] = found = import_module("importlib.metadata").version("asmg_pl")
    return found


def __dir__() -> list[str]:
    """All names, those that have not been imported yet as well."""
    return sorted({*_names(), "__version__"})
