"""The stream: an interaction log, cut into periods, read in mini-batches."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asmg_pl.data.batch import Batch
    from asmg_pl.data.calendar import Boundaries, Calendar
    from asmg_pl.data.datamodule import PeriodDataModule
    from asmg_pl.data.lifetimes import Lifetimes
    from asmg_pl.data.log import InteractionLog
    from asmg_pl.data.periods import EqualCounts, EqualRows, Periods
    from asmg_pl.data.reading import Reading
    from asmg_pl.data.sizes import Sizes

#: Where the names stand. They are imported when they are first used, since only the data module needs Lightning, and a
#: recommender that answers requests needs neither.
_HOMES = {
    "Batch": "batch",
    "Boundaries": "calendar",
    "Calendar": "calendar",
    "EqualCounts": "periods",
    "EqualRows": "periods",
    "InteractionLog": "log",
    "Lifetimes": "lifetimes",
    "PeriodDataModule": "datamodule",
    "Periods": "periods",
    "Reading": "reading",
    "Sizes": "sizes",
}

__all__ = [
    "Batch",
    "Boundaries",
    "Calendar",
    "EqualCounts",
    "EqualRows",
    "InteractionLog",
    "Lifetimes",
    "PeriodDataModule",
    "Periods",
    "Reading",
    "Sizes",
]


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
