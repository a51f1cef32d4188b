"""Updaters: methods that keep a recommender fresh, each a LightningModule with a plan of phases per period."""

from asmg_pl.updaters.asmg import ASMG
from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.incremental import IncrementalUpdate

__all__ = ["ASMG", "IncrementalUpdate", "Updater"]
