"""SASRec: causal self-attention over the history.

item vectors · √D + vectors of their places ─▶ dropout ─▶ block ─▶ … ─▶ block ─▶ norm ─▶ states

block     x ─▶ q = norm(x) ─▶ q + attention(q, x, x) ─▶ y = norm(·) ─▶ y + network(y)
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asmg_pl.data.sizes import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.recommenders.base import glorot_uniform_
from asmg_pl.recommenders.next_item import NextItem


class SASRec(NextItem):
    """Blocks of self-attention, in which each entry of a history attends to itself and to earlier entries.

    Places are counted from the latest entry, each with a learned vector. Within a block the queries are normalised, and
    keys and values are not. Matrices start Glorot uniform, their biases at 0. Source: Kang and McAuley,
    "Self-Attentive Sequential Recommendation", ICDM 2018.

    Examples:
        >>> from asmg_pl.data.sources import DriftingStream
        >>> log = DriftingStream(users=9, items=9, rows=99).read(None)

        >>> model = SASRec(log.sizes, embedding_dim=16, places=5)
        >>> model(log.batch(torch.arange(5), history_size=5)).shape  # a logit for each of five rows
        torch.Size([5])
        >>> list(model.tables), model.positions.shape
        (['item'], torch.Size([5, 16]))
    """

    def __init__(
        self,
        sizes: Sizes,
        embedding_dim: int = 32,
        places: int = 50,
        blocks: int = 2,
        heads: int = 1,
        dropout: float = 0.0,
    ) -> None:
        """Build the model.

        Args:
            sizes: of which the number of items is used.
            embedding_dim: width D of item vectors and states.
            places: how many entries of a history are read, the latest ones; ``data.history_size`` says how many there
                are.
            blocks: how many blocks of attention follow each other.
            heads: into how many parts the vectors are cut for attention; they must divide ``embedding_dim``.
            dropout: the share of numbers that training leaves out, of inputs, attention and networks.

        Raises:
            ConfigError: if the heads do not divide the width.
        """
        super().__init__(sizes, embedding_dim, places)
        if heads < 1 or embedding_dim % heads:
            raise ConfigError(f"recommender.heads is {heads}, which does not divide embedding_dim {embedding_dim}")
        self.positions = nn.Parameter(torch.empty(places, embedding_dim))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList([_Block(embedding_dim, heads, dropout) for _ in range(blocks)])
        self.norm = nn.LayerNorm(embedding_dim)
        glorot_uniform_(self.positions.data)

    def states(self, past: Tensor, real: Tensor, newest: int | None = None) -> Tensor:
        """The state at each entry, float [B, T, D], see :meth:`NextItem.states`."""
        places, width = past.shape[1:]
        entry = torch.arange(places, device=past.device)
        # Entries stand latest first: the earlier ones follow. Padding attends to itself, lest its softmax be empty.
        attended = (real[:, None] & (entry >= entry[:, None])) | (entry == entry[:, None])  # [B, T, T]
        sequence: Tensor = self.dropout(past * width**0.5 + self.positions[:places])
        wanted = [places] * (len(self.blocks) - 1) + [newest or places]
        for block, queries in zip(self.blocks, wanted, strict=True):
            sequence = block(sequence, attended, queries)
        states: Tensor = self.norm(sequence[:, : newest or places])
        return states


class _Block(nn.Module):
    """Attention and a network for each entry."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm_queries, self.norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value = (_linear(width) for _ in range(3))
        inner, outer = _linear(width), _linear(width)
        self.network = nn.Sequential(inner, nn.ReLU(), nn.Dropout(dropout), outer, nn.Dropout(dropout))

    def forward(self, sequence: Tensor, attended: Tensor, queries: int) -> Tensor:
        """The first entries after the block.

        Args:
            sequence: all entries, float [B, T, D].
            attended: which entries (the last axis) each entry attends to, bool [B, T, T].
            queries: how many of the first entries are wanted.

        Returns:
            float [B, queries, D].
        """
        asking = self.norm_queries(sequence[:, :queries])
        parts = (self.query(asking), self.key(sequence), self.value(sequence))
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        dropout = self.dropout if self.training else 0.0
        found = F.scaled_dot_product_attention(query, key, value, attended[:, None, :queries], dropout)
        after = self.norm(asking + found.transpose(1, 2).flatten(2))
        return after + self.network(after)


def _linear(width: int) -> nn.Linear:
    layer = nn.Linear(width, width)
    glorot_uniform_(layer.weight.data)
    nn.init.zeros_(layer.bias)
    return layer
