"""Keep recommender models fresh along a stream, period by period, with a learned meta generator (ASMG)."""

from importlib.metadata import version

__version__ = version("asmg_pl")
