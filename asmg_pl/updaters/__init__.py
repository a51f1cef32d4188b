"""Updaters: methods that keep a recommender fresh, each a LightningModule with a plan of phases per period."""

from asmg_pl.updaters.ader import ADER
from asmg_pl.updaters.asmg import ASMG
from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.batch import BatchUpdate
from asmg_pl.updaters.dense_ema import DenseEMA
from asmg_pl.updaters.ewc import EWC
from asmg_pl.updaters.fesail import FeSAIL
from asmg_pl.updaters.frozen import Frozen
from asmg_pl.updaters.guarding.guard import Guard
from asmg_pl.updaters.guarding.head import PrequentialHead
from asmg_pl.updaters.inc_ctr import IncCTR
from asmg_pl.updaters.incremental import IncrementalUpdate
from asmg_pl.updaters.optim.table_optimizers import Adagrad, TableOptimizer
from asmg_pl.updaters.reloop import ReLoop
from asmg_pl.updaters.retrain import Retrain
from asmg_pl.updaters.rows.new_rows import MeanOfCategories, MeanOfTable, NewRows, SomeRows
from asmg_pl.updaters.sftl import SFTL
from asmg_pl.updaters.sml import SML
from asmg_pl.updaters.spmf import SPMF
from asmg_pl.updaters.sriu import SRIU
from asmg_pl.updaters.transfer import Transfer
from asmg_pl.updaters.tuning.self_tuning import SelfTuning
from asmg_pl.updaters.walking.phase import Phase

__all__ = [
    "ADER",
    "ASMG",
    "EWC",
    "SFTL",
    "SML",
    "SPMF",
    "SRIU",
    "Adagrad",
    "BatchUpdate",
    "DenseEMA",
    "FeSAIL",
    "Frozen",
    "Guard",
    "IncCTR",
    "IncrementalUpdate",
    "MeanOfCategories",
    "MeanOfTable",
    "NewRows",
    "Phase",
    "PrequentialHead",
    "ReLoop",
    "Retrain",
    "SelfTuning",
    "SomeRows",
    "TableOptimizer",
    "Transfer",
    "Updater",
]
