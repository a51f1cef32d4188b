"""A loss of mini-batches of one shape, with its gradient, as CUDA graphs: two starts instead of some hundreds.

    first mini-batches of a shape      ─▶ run, and record the kernels
    further ones of the same shape     ─▶ copy them where the record reads, replay
    mini-batches of another shape      ─▶ run without a graph, as the short last ones of a period do
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor, nn

from asmg_pl.data.batch import Batch

log = logging.getLogger(__name__)

#: Fields of a mini-batch that differ from step to step; its other tensors stay where they are.
MOVING = ("user", "item", "history", "history_length", "label", "context")

#: How many mini-batches of a shape run one after the other before the next one is recorded.
PATIENCE = 3


class GraphedLoss:
    """Computes a loss of mini-batches on a GPU, and replays it as soon as shapes repeat.

    Examples:
        >>> graphed = GraphedLoss(nn.Linear(1, 1), lambda batches: torch.zeros(()))
        >>> graphed.state()
        'no graph has been recorded'
    """

    def __init__(self, module: nn.Module, loss: Callable[[tuple[Batch, ...]], Tensor]) -> None:
        """Record nothing yet.

        Args:
            module: whose parameters get the gradient.
            loss: of mini-batches; it must not wait for the device, and its shapes must depend on theirs alone.
        """
        self._module, self._loss = module, loss
        self._key: Hashable = None
        self._latest: Hashable = None
        self._times = 0
        self._replay: Callable[..., Tensor] | None = None
        self._flaw = ""

    def state(self) -> str:
        """Whether graphs are in use, in words."""
        if self._flaw:
            return f"no graph can be recorded: {self._flaw}"
        return "no graph has been recorded" if self._replay is None else "a graph is replayed"

    def __call__(self, batches: tuple[Batch, ...], *others: Hashable) -> Tensor:
        """The loss, a scalar.

        Args:
            batches: on the GPU.
            others: whatever else the recorded kernels depend on; another value needs another record.
        """
        moving = [tensor for batch in batches for tensor in _moving(batch)]
        key = (tuple(tuple(tensor.shape) for tensor in moving), tuple(map(_constants, batches)), others)
        if self._flaw or torch.is_autocast_enabled(batches[0].label.device.type):
            return self._loss(batches)
        if key == self._key and self._replay is not None:
            return self._replay(*moving)
        # One short mini-batch, the last of a period, must not cost a record: the old one may be needed again.
        self._times, self._latest = self._times + 1 if key == self._latest else 1, key
        if self._times <= PATIENCE:
            return self._loss(batches)
        self._record(batches, moving)
        self._key = key
        return self(batches, *others)

    def _record(self, batches: tuple[Batch, ...], moving: Sequence[Tensor]) -> None:
        recorded = _Recorded(self._module, self._loss, batches)
        gradients = {name: p.grad for name, p in self._module.named_parameters()}
        try:
            examples = tuple(tensor.clone() for tensor in moving)
            self._replay = torch.cuda.make_graphed_callables(recorded, examples, allow_unused_input=True)
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
        left = iter(moving)
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
