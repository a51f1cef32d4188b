"""Your own tables, CSV or Parquet, become a stream: ``asmg convert``.

files ─▶ text ─▶ fields ─▶ values by the columns' meaning ─▶ rows by time ─▶ (negatives) ─▶ stream
            │         │
            └─────────┴──▶ quarantine: what is no row, with file, line and reason
"""

from asmg_pl.convert.conversion import Conversion, convert
from asmg_pl.convert.settings import Settings

__all__ = ["Conversion", "Settings", "convert"]
