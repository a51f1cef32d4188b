"""Negatives that are drawn afresh in each pass, for the rows that the pass reads."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from asmg_pl.data.interactions import Interactions
from asmg_pl.data.log import InteractionLog
from asmg_pl.data.mini_batches.loader import randomness
from asmg_pl.data.mini_batches.reading import Reading
from asmg_pl.data.negatives import Fresh


class Drawing:
    """Draws the negatives of a stream's rows, on the device where its mini-batches are gathered."""

    def __init__(self, rule: Fresh, log: InteractionLog, device: torch.device, seed: int) -> None:
        """Index nothing yet.

        Args:
            rule: how many negatives each row gets, and how they are drawn.
            log: the stream.
            device: where to draw.
            seed: all draws depend on it, and on the pass.
        """
        self.rule = rule
        self.log = log
        self.device = device
        self.seed = seed

    def draw(self, reading: Reading, rows: Tensor, *key: int | str) -> Tensor:
        """Draw the negatives of a pass.

        Each training pass draws others. All passes that score some periods draw alike, so that every method and every
        epoch is scored on the same rows.

        Args:
            reading: the pass.
            rows: the positions of its rows, int64 [n], on any device.
            key: tells sequences of rows apart that one pass reads side by side.

        Returns:
            Items, int64 [n, N]; -1 for none.
        """
        passed = (*reading.key, *key) if reading.training else reading.periods
        random = randomness(self.seed, "negatives", *passed, device=self.device)
        return self.rule.draw(self._interactions, rows.to(self.device), random)

    @cached_property
    def _interactions(self) -> Interactions:
        return self.rule.index(self.log, self.device)
