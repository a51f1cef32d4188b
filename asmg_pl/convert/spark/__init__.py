"""Converts with Spark what one machine is too small for, to the same bytes: ``asmg convert --engine spark``.

    files or a DataFrame ─▶ rows by time ─▶ ids ─▶ (negatives) ─▶ parts, side by side ─▶ stream.json

What grows with rows or ids stays in the executors. The driver sees counts, and what a message shows.
"""

from asmg_pl.convert.spark import available as available
from asmg_pl.convert.spark.conversion import write_stream

__all__ = ["write_stream"]
