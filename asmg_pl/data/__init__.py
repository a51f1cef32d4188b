"""The stream: an interaction log, cut into periods, read in mini-batches."""

from asmg_pl.data.batch import Batch
from asmg_pl.data.calendar import Boundaries, Calendar
from asmg_pl.data.datamodule import PeriodDataModule
from asmg_pl.data.lifetimes import Lifetimes
from asmg_pl.data.log import InteractionLog
from asmg_pl.data.periods import EqualCounts, EqualRows, Periods
from asmg_pl.data.reading import Reading
from asmg_pl.data.sizes import Sizes

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
