"""MLPs of linear layers with ReLU between them, which one C++ kernel computes where it can."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from asmg_pl.recommenders.kernels import mlp as kernel


class _Listened(nn.Module):
    """A layer that knows whether anybody has registered a hook, which only the layer's own call calls."""

    listened: bool = False

    def register_forward_pre_hook(self, *args: Any, **options: Any) -> RemovableHandle:
        self.listened = True
        return super().register_forward_pre_hook(*args, **options)

    def register_forward_hook(self, *args: Any, **options: Any) -> RemovableHandle:
        self.listened = True
        return super().register_forward_hook(*args, **options)

    def register_full_backward_pre_hook(self, *args: Any, **options: Any) -> RemovableHandle:
        self.listened = True
        return super().register_full_backward_pre_hook(*args, **options)

    def register_full_backward_hook(self, *args: Any, **options: Any) -> RemovableHandle:
        self.listened = True
        return super().register_full_backward_hook(*args, **options)


class Linear(_Listened, nn.Linear):
    """A linear layer of an MLP."""


class ReLU(_Listened, nn.ReLU):
    """ReLU in an MLP."""


class ReluMLP(nn.Sequential):
    """Linear layers with ReLU between them.

    A kernel computes small mini-batches on the CPU, where nobody listens to the layers and none has been replaced. Its
    numbers are those of plain operations up to rounding.

    Examples:
        >>> import torch
        >>> mlp = ReluMLP([6, 4, 1])
        >>> mlp(torch.rand(3, 6)).shape
        torch.Size([3, 1])
        >>> [*mlp.state_dict()]
        ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, widths: Sequence[int]) -> None:
        """Make the layers.

        Args:
            widths: that of the input, then those of the layers; at least two.
        """
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(widths[:-1]):
            layers += [Linear(fan_in, fan_out), ReLU()]
        super().__init__(*layers, Linear(widths[-2], widths[-1]))

    def forward(self, input: Tensor) -> Tensor:
        """The last layer's output, float [..., out], from float [..., in]."""
        tensors = self._tensors(input)
        if tensors is not None and kernel.computes(tensors):
            return kernel.relu_mlp(tensors)
        found: Tensor = super().forward(input)  # type: ignore[no-untyped-call]
        return found

    def _tensors(self, input: Tensor) -> list[Tensor] | None:
        """What the kernel reads; ``None`` if the layers have to be called one by one."""
        found = [input]
        for number, layer in enumerate(self):
            if type(layer) is not (ReLU if number % 2 else Linear) or layer.listened:
                return None
            if type(layer) is Linear:
                found += [layer.weight, layer.bias]
        return found
