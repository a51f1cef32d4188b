"""GRU4Rec: a recurrent network over the history.

oldest item ─▶ GRU ─▶ next item ─▶ GRU ─▶ … ─▶ latest item ─▶ GRU ─▶ state
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asmg_pl.data.sizes import Sizes
from asmg_pl.recommenders.next_item import NextItem


class GRU4Rec(NextItem):
    """Layers of gated recurrent units, which read a history from its oldest entry to its latest.

    States are as wide as item vectors, and an item has one vector, as the input and as the item that is scored. The
    network starts as PyTorch's. Source: Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks",
    ICLR 2016.

    Examples:
        >>> from asmg_pl.data.sources import DriftingStream
        >>> log = DriftingStream(users=9, items=9, rows=99).read(None)

        >>> model = GRU4Rec(log.sizes, embedding_dim=16)
        >>> model(log.batch(torch.arange(5), history_size=3)).shape  # a logit for each of five rows
        torch.Size([5])
    """

    def __init__(
        self, sizes: Sizes, embedding_dim: int = 32, places: int = 50, layers: int = 1, dropout: float = 0.0
    ) -> None:
        """Build the model.

        Args:
            sizes: of which the number of items is used.
            embedding_dim: width D of item vectors and states.
            places: how many entries of a history are read, the latest ones; ``data.history_size`` says how many there
                are.
            layers: how many layers of units follow each other.
            dropout: the share of numbers that training leaves out, of inputs and between layers.
        """
        super().__init__(sizes, embedding_dim, places)
        self.dropout = nn.Dropout(dropout)
        between = dropout if layers > 1 else 0.0  # PyTorch warns of dropout that has no effect
        self.gru = nn.GRU(embedding_dim, embedding_dim, layers, batch_first=True, dropout=between)

    def states(self, past: Tensor, real: Tensor, newest: int | None = None) -> Tensor:
        """The state at each entry, float [B, T, D], see :meth:`NextItem.states`."""
        # The place of each entry when the oldest real one comes first. Padding then follows, and changes no real state.
        turned = (real.sum(1, keepdim=True) - 1 - torch.arange(real.shape[1], device=real.device)).clamp(min=0)
        turned = turned[..., None].expand_as(past)
        found, _ = self.gru(self.dropout(past.gather(1, turned)))
        return found.gather(1, turned[:, :newest])
