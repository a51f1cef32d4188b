"""Converts a user's CSV, JSON lines or Parquet files to a stream: ``asmg convert``.

files ─▶ rows by time ─▶ (negatives) ─▶ stream
"""

from asmg_pl.convert.compaction import compact
from asmg_pl.convert.conversion import convert
from asmg_pl.convert.done import Conversion
from asmg_pl.convert.settings import Settings

__all__ = ["Conversion", "Settings", "compact", "convert"]
