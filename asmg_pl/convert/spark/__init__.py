"""Converts with Spark what one machine is too small for, to the same bytes: ``asmg convert --engine spark``.

    files or a DataFrame ─▶ rows by time ─▶ ids ─▶ (negatives) ─▶ parts, side by side ─▶ stream.json

What grows with rows or ids stays in the executors. The driver sees counts, and what a message shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asmg_pl.convert.spark import available as available
from asmg_pl.system.lazy import lazy

if TYPE_CHECKING:
    from asmg_pl.convert.spark.conversion import write_stream

#: An executor's Python imports this package with each task's module, and needs nothing of the driver's.
_HOMES = {"write_stream": ".conversion"}

__getattr__, __dir__ = lazy(__name__, _HOMES)

__all__ = ["write_stream"]
