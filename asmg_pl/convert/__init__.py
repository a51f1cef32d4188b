"""Your own tables, CSV or Parquet, become a stream: ``asmg convert``.

tables ─▶ rows by time ─▶ (negatives) ─▶ stream
"""

from asmg_pl.convert.conversion import Conversion, convert
from asmg_pl.convert.settings import Settings

__all__ = ["Conversion", "Settings", "convert"]
