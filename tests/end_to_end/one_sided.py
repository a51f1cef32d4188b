"""A method one of whose processes alone meets a loss that is not finite: its gradient is, and so is all else."""

from __future__ import annotations

import math

from torch import Tensor

from asmg_pl.data import Batch
from asmg_pl.updaters import IncrementalUpdate


class OneSided(IncrementalUpdate):
    """Diverges in period 6, in the last process."""

    def loss(self, batch: Batch) -> Tensor:
        """The loss, and infinity beside it."""
        assert self.phase is not None
        here = self.phase.period == 6 and self.trainer.global_rank == self.trainer.world_size - 1
        return super().loss(batch) + (math.inf if here else 0.0)
