"""Updaters: methods that keep a recommender fresh, each a LightningModule with a plan of phases per period."""

from asmg_pl.updaters.ader import ADER
from asmg_pl.updaters.asmg import ASMG
from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.batch import BatchUpdate
from asmg_pl.updaters.ewc import EWC
from asmg_pl.updaters.frozen import Frozen
from asmg_pl.updaters.guard import Guard
from asmg_pl.updaters.head import PrequentialHead
from asmg_pl.updaters.inc_ctr import IncCTR
from asmg_pl.updaters.incremental import IncrementalUpdate
from asmg_pl.updaters.phase import Phase
from asmg_pl.updaters.retrain import Retrain
from asmg_pl.updaters.sml import SML
from asmg_pl.updaters.spmf import SPMF
from asmg_pl.updaters.transfer import Transfer

__all__ = [
    "ADER",
    "ASMG",
    "EWC",
    "SML",
    "SPMF",
    "BatchUpdate",
    "Frozen",
    "Guard",
    "IncCTR",
    "IncrementalUpdate",
    "Phase",
    "PrequentialHead",
    "Retrain",
    "Transfer",
    "Updater",
]
