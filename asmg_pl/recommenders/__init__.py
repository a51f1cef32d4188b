"""Recommenders: plain modules that name the table rows that a batch needs, and score from their vectors."""

from asmg_pl.recommenders.base import Recommender
from asmg_pl.recommenders.dcn_v2 import DCNv2
from asmg_pl.recommenders.deep_fm import DeepFM
from asmg_pl.recommenders.din import DIN
from asmg_pl.recommenders.dlrm import DLRM
from asmg_pl.recommenders.dot_product import DotProduct
from asmg_pl.recommenders.embedding_mlp import EmbeddingMLP
from asmg_pl.recommenders.gru4rec import GRU4Rec
from asmg_pl.recommenders.hashed import Hashed
from asmg_pl.recommenders.label_heads import LabelHeads
from asmg_pl.recommenders.lookup import Lookup, Request
from asmg_pl.recommenders.matrix_factorization import MatrixFactorization
from asmg_pl.recommenders.next_item import NextItem
from asmg_pl.recommenders.sasrec import SASRec
from asmg_pl.recommenders.sides import TwoSided
from asmg_pl.recommenders.two_tower import TwoTower

__all__ = [
    "DIN",
    "DLRM",
    "DCNv2",
    "DeepFM",
    "DotProduct",
    "EmbeddingMLP",
    "GRU4Rec",
    "Hashed",
    "LabelHeads",
    "Lookup",
    "MatrixFactorization",
    "NextItem",
    "Recommender",
    "Request",
    "SASRec",
    "TwoSided",
    "TwoTower",
]
