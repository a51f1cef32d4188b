"""One step of an optimiser: from the loss of a mini-batch, or of its micro-batches, to parameters that have moved.

micro-batch          1          2          …   last
                     backward   backward   …   backward ─▶ average over processes ─▶ clip ─▶ step
loss and gradient    watched: a number that is not finite is found at the end of the phase
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer

from asmg_pl.distributed.processes import average_gradients, several, without_reduction
from asmg_pl.recommenders import Recommender
from asmg_pl.updaters.walking.finite import Watch


class Stepping:
    """Takes the steps of a walk's optimisers.

    Attributes:
        gradient_clip: the largest norm of a step's gradient; ``None`` for any.
        mini_batch: the number of the mini-batch at hand in its phase, from 0.
        micro_batches: in how many micro-batches the mini-batch comes.
        micro_batch: the number of the micro-batch at hand, from 0.
        watch: what has not been finite in the phase.
    """

    def __init__(self, recommender: Recommender, gradient_clip: float | None = None) -> None:
        """Stand before the first mini-batch.

        Args:
            recommender: the base model, which knows its tables, and which of their rows are at hand.
            gradient_clip: the largest norm of a step's gradient.
        """
        self.gradient_clip = gradient_clip
        self.mini_batch = self.micro_batch = 0
        self.micro_batches = 1
        self.watch = Watch()
        self._recommender = recommender

    def arrive(self, number: int, micro_batches: int) -> None:
        """Note which micro-batch has arrived.

        Args:
            number: its number among all micro-batches of the phase, from 0.
            micro_batches: how many of them make a mini-batch.
        """
        self.micro_batches = micro_batches
        self.mini_batch, self.micro_batch = divmod(number, micro_batches)

    @property
    def completes_step(self) -> bool:
        """Whether the micro-batch at hand is the last one of its mini-batch."""
        return self.micro_batch == self.micro_batches - 1

    def step(
        self,
        optimizer: LightningOptimizer | Optimizer,
        loss: Tensor,
        backward: Callable[[Tensor], None],
        wrapped: nn.Module | None = None,
    ) -> None:
        """Add up the gradient of a micro-batch; with the last one of a mini-batch, take the step.

        Args:
            optimizer: whose step it is.
            loss: the mean over the micro-batch, a scalar.
            backward: computes gradients.
            wrapped: the module as the strategy has wrapped it.
        """
        self.watch.see("loss", loss, self.mini_batch)
        if self.micro_batch == 0:
            optimizer.zero_grad()
        with without_reduction(wrapped):
            backward(loss if self.micro_batches == 1 else loss / self.micro_batches)
        if not self.completes_step:
            return
        moved = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        if several():
            self._average(moved)
        if self.gradient_clip is not None:
            self.watch.see("gradient", shortened(moved, self.gradient_clip), self.mini_batch)
        optimizer.step()

    def _average(self, parameters: Sequence[nn.Parameter]) -> None:
        """Average the gradients over processes; what only this process holds has its sum already."""
        base = self._recommender
        tables = {name: base.stored(name) for name in base.tables}
        own = [table for name, table in tables.items() if name in base.owners]
        by_rows = base.row_wise or (base.deferred is not None and base.deferred.may_wait)
        average_gradients(parameters, list(tables.values()) if by_rows else [], own)


@torch.no_grad()
def shortened(parameters: Sequence[nn.Parameter], longest: float) -> Tensor:
    """Shorten the gradient of all parameters together, in place, if it is too long.

    Args:
        parameters: of which a gradient may be sparse.
        longest: the largest norm.

    Returns:
        The norm before.
    """
    numbers = []
    for parameter in parameters:
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
        if parameter.grad is not None:
            numbers.append(parameter.grad.values() if parameter.grad.is_sparse else parameter.grad)
    norm = nn.utils.get_total_norm(numbers)
    factor = (longest / (norm + 1e-6)).clamp(max=1.0)
    for gradient in numbers:
        gradient.mul_(factor)
    return norm
