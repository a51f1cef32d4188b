"""Recommenders: plain modules that say which table rows a batch needs, and score from them."""

from asmg_pl.recommenders.base import Lookup, Recommender
from asmg_pl.recommenders.embedding_mlp import EmbeddingMLP

__all__ = ["EmbeddingMLP", "Lookup", "Recommender"]
