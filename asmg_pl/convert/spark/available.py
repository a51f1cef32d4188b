"""Refuses to go on without the packages of the extra, in one line."""

from __future__ import annotations

import warnings

from asmg_pl.errors import ConfigError

# Spark warns of a newer pandas, but is handed Arrow alone here.
warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
try:
    import pandas as pandas  # Spark hands Arrow to Python only where pandas is
    import pyarrow as pyarrow
    import pyspark.sql as sql  # noqa: F401
except ImportError:
    raise ConfigError("--engine spark needs PySpark with Arrow and pandas: pip install 'asmg_pl[spark]'") from None
