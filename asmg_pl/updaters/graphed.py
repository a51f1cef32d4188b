"""A loss of mini-batches, with its gradient, as CUDA graphs: two starts instead of some hundreds of kernels.

the first mini-batches of a shape      ─▶ run, then once more to record the kernels
further ones of the same shape         ─▶ copied to where the record reads, replayed
mini-batches of a rare shape           ─▶ run kernel by kernel
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from asmg_pl.data.batch import Batch

log = logging.getLogger(__name__)

#: Fields of a mini-batch that differ from step to step; its other tensors stay where they are.
MOVING = ("user", "item", "history", "history_length", "label", "context")

#: How many mini-batches of a shape run before the next one is recorded.
PATIENCE = 3

#: The most records that are kept; each has memory of its own for what a step computes.
RECORDS = 4


class GraphedLoss:
    """Computes a loss of mini-batches on a GPU, and replays it as soon as shapes repeat.

    Examples:
        >>> graphed = GraphedLoss(nn.Linear(1, 1), lambda batches: torch.zeros(()))
        >>> graphed.state()
        '0 shapes of mini-batches are replayed'
    """

    def __init__(self, module: nn.Module, loss: Callable[[tuple[Batch, ...]], Tensor]) -> None:
        """Record nothing yet.

        Args:
            module: whose parameters get the gradient.
            loss: of mini-batches; it must not wait for the device, and its shapes must depend on theirs alone.
        """
        self._module, self._loss = module, loss
        self._others: Hashable = None
        self._times: Counter[Hashable] = Counter()
        self._replays: dict[Hashable, Callable[..., Tensor]] = {}
        self._flaw = ""

    def state(self) -> str:
        """Whether graphs are in use, in words."""
        if self._flaw:
            return f"no graph can be recorded: {self._flaw}"
        return f"{len(self._replays)} shapes of mini-batches are replayed"

    def __call__(self, batches: tuple[Batch, ...], *others: Hashable) -> Tensor:
        """The loss, a scalar.

        Args:
            batches: on the GPU.
            others: whatever else the recorded kernels depend on; another value needs another record.
        """
        if self._flaw or torch.is_autocast_enabled(batches[0].label.device.type):
            return self._loss(batches)
        if others != self._others:
            self._others = others
            self._times.clear()
            self._replays.clear()
        moving = [tensor for batch in batches for tensor in _moving(batch)]
        key = tuple(tuple(tensor.shape) for tensor in moving), tuple(map(_constants, batches))
        self._times[key] += 1
        if key not in self._replays and self._times[key] > PATIENCE and len(self._replays) < RECORDS:
            self._record(key, batches, moving)
        replay = self._replays.get(key)
        return self._loss(batches) if replay is None else replay(*moving)

    def _record(self, key: Hashable, batches: tuple[Batch, ...], moving: Sequence[Tensor]) -> None:
        recorded = _Recorded(self._module, self._loss, batches)
        gradients = {name: p.grad for name, p in self._module.named_parameters()}
        try:
            examples = tuple(tensor.clone() for tensor in moving)
            replay: Any = torch.cuda.make_graphed_callables(recorded, examples, allow_unused_input=True)
            self._replays[key] = replay
        except RuntimeError as error:
            self._flaw = str(error).splitlines()[0]
            log.warning("the generator's steps are started kernel by kernel, since %s", self.state())
        for name, parameter in self._module.named_parameters():
            parameter.grad = gradients[name]


class _Recorded(nn.Module):
    """The loss as a module of tensors."""

    def __init__(
        self, module: nn.Module, loss: Callable[[tuple[Batch, ...]], Tensor], batches: tuple[Batch, ...]
    ) -> None:
        super().__init__()
        self.module = module
        self._loss, self._batches = loss, batches

    def forward(self, *moving: Tensor) -> Tensor:
        left: Any = iter(moving)
        return self._loss(
            tuple(
                batch._replace(**{name: next(left) for name in MOVING if getattr(batch, name) is not None})
                for batch in self._batches
            )
        )


def _moving(batch: Batch) -> list[Tensor]:
    return [tensor for name in MOVING if (tensor := getattr(batch, name)) is not None]


def _constants(batch: Batch) -> Hashable:
    where = None if batch.categories is None else batch.categories.data_ptr()
    return where, batch.share
