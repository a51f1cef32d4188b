"""The stream: an interaction log, cut into periods, read in mini-batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asmg_pl.system.lazy import lazy

if TYPE_CHECKING:
    from asmg_pl.data.batch import Batch
    from asmg_pl.data.cutting.calendar import Boundaries, Calendar
    from asmg_pl.data.cutting.periods import EqualCounts, EqualRows, Periods
    from asmg_pl.data.datamodule import PeriodDataModule
    from asmg_pl.data.features import Features
    from asmg_pl.data.lifetimes import Lifetimes
    from asmg_pl.data.log import InteractionLog
    from asmg_pl.data.mini_batches.reading import Reading
    from asmg_pl.data.sizes import Sizes

#: Where the names stand. They are imported when they are first used, since only the data module needs Lightning, and a
#: recommender that answers requests needs neither.
_HOMES = {
    "Batch": ".batch",
    "Boundaries": ".cutting.calendar",
    "Calendar": ".cutting.calendar",
    "EqualCounts": ".cutting.periods",
    "EqualRows": ".cutting.periods",
    "Features": ".features",
    "InteractionLog": ".log",
    "Lifetimes": ".lifetimes",
    "PeriodDataModule": ".datamodule",
    "Periods": ".cutting.periods",
    "Reading": ".mini_batches.reading",
    "Sizes": ".sizes",
}

__all__ = [
    "Batch",
    "Boundaries",
    "Calendar",
    "EqualCounts",
    "EqualRows",
    "Features",
    "InteractionLog",
    "Lifetimes",
    "PeriodDataModule",
    "Periods",
    "Reading",
    "Sizes",
]

__getattr__, __dir__ = lazy(__name__, _HOMES)
