"""Sessions of clicks, and the examples in them: each click but the first, with the clicks before it.

items    a b c │ d e │ f        three sessions, one after the other
places   0 1 2 │ 0 1 │ 0        examples: ab → c, a → b, d → e
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from asmg_pl.data.batch import Batch


@dataclass(frozen=True)
class Sessions:
    """Clicks, session after session, each session in order. An example is named by the click that is to be predicted.

    Attributes:
        items: the item of each click, int64 [N].
        places: how many clicks of the same session come before, int64 [N].

    Examples:
        >>> sessions = Sessions.of(torch.tensor([7, 8, 7, 7]), torch.tensor([0, 1, 2, 3]))
        >>> sessions.items.tolist(), sessions.examples().tolist()
        ([0, 2, 3, 1], [1, 2])
        >>> sessions.batch(torch.tensor([2]), most=50).history.tolist()  # the latest click first
        [[2, 0]]
    """

    items: Tensor
    places: Tensor

    @classmethod
    def of(cls, session: Tensor, items: Tensor) -> Self:
        """Put clicks of one session together.

        Args:
            session: the session of each click, int64 [N].
            items: the item of each click, int64 [N]; clicks are in order of time.
        """
        order = session.argsort(stable=True)
        _, lengths = session.unique(return_counts=True)
        starts = (lengths.cumsum(0) - lengths).repeat_interleave(lengths)
        return cls(items[order], torch.arange(len(items), device=items.device) - starts)

    def examples(self, start: int = 0, stop: int | None = None) -> Tensor:
        """The examples among some of the clicks, by default among all, int64, ascending."""
        return start + self.places[start:stop].nonzero().squeeze(1)

    def batch(self, examples: Tensor, most: int) -> Batch:
        """A mini-batch of examples, whose histories are as long as its longest one.

        Args:
            examples: int64 [B].
            most: how many clicks of a history are read, the latest ones.
        """
        length = self.places[examples].clamp(max=most)
        entry = torch.arange(int(length.max()) if len(length) else 0, device=length.device)
        before = (examples[:, None] - 1 - entry).clamp(min=0)
        history = self.items[before] * (entry < length[:, None])
        none = torch.zeros_like(examples)
        return Batch(none, self.items[examples], history, length, torch.ones_like(examples, dtype=torch.float32))

    def to(self, device: torch.device) -> Sessions:
        """The same on another device."""
        return Sessions(self.items.to(device), self.places.to(device))
