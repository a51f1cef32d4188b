"""Keep recommender models fresh along a stream, period by period, with a learned meta generator (ASMG)."""

import logging
from importlib.metadata import version

logging.getLogger(__name__).addHandler(logging.NullHandler())  # a library only logs: whoever uses it shows the log

__version__ = version("asmg_pl")
