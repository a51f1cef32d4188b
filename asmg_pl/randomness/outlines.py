"""Modules whose long matrices have a shape and no memory, built with the random numbers that they would have otherwise.

    torch.empty(N, D)     an outline, on torch's meta device, if it has many rows
    uniform_, normal_     of an outline: drawn some rows at a time, and forgotten

So torch's generator goes on from where the whole matrix would have left it, and what is drawn after it is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

#: The least rows of an outline; a shorter matrix has memory.
LEAST = 2**14

#: Numbers that are drawn at a time, about.
AT_A_TIME = 2**18

#: Rows of a block are a multiple of this, as torch draws normal numbers in groups of so many.
GROUP = 16

#: What fills a matrix, and takes as many random numbers for each block of its rows as for the whole.
FILLING = (
    torch.Tensor.uniform_,
    torch.Tensor.normal_,
    nn.init.uniform_,
    nn.init.normal_,
    nn.init.kaiming_uniform_,
)

#: What takes random numbers of which an outline would not know how many.
OTHERS = (
    *(torch.Tensor.bernoulli_, torch.Tensor.cauchy_, torch.Tensor.exponential_, torch.Tensor.geometric_),
    *(torch.Tensor.log_normal_, torch.Tensor.random_, torch.Tensor.bernoulli, torch.Tensor.multinomial),
    *(torch.rand_like, torch.randn_like, torch.randint_like, torch.normal, torch.bernoulli, torch.poisson),
    *(torch.multinomial, nn.functional.dropout),
)


class Outlines(TorchFunctionMode):
    """A context in which long matrices that ``torch.empty`` makes, as layers do, are outlines.

    Examples:
        >>> _ = torch.manual_seed(0)
        >>> with Outlines():
        ...     table, layer = torch.nn.Embedding(2**14, 4), torch.nn.Linear(2, 1)
        >>> table.weight.is_meta, layer.weight.is_meta
        (True, False)
        >>> _ = torch.manual_seed(0)
        >>> table, same = torch.nn.Embedding(2**14, 4), torch.nn.Linear(2, 1)
        >>> torch.equal(layer.weight, same.weight)
        True
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call a function of torch.

        Raises:
            TypeError: if it takes random numbers for an outline, and it is not known how many.
        """
        kwargs = kwargs or {}
        if func is torch.empty:
            outline = torch.empty(*args, **{**kwargs, "device": "meta"})
            return outline if outline.ndim == 2 and len(outline) >= LEAST else torch.empty(*args, **kwargs)
        first = args[0] if args else kwargs.get("tensor")
        if isinstance(first, Tensor) and first.is_meta:
            normal = func in (torch.Tensor.normal_, nn.init.normal_)
            if func in OTHERS or (normal and not first.is_contiguous()):
                raise TypeError(f"{func} of a matrix without memory")
            if func in FILLING:
                others = {name: value for name, value in kwargs.items() if name != "tensor"}
                _pass_over(first, lambda block: func(block, *args[1:], **others))
                return first
        return func(*args, **kwargs)


@torch.no_grad()
def _pass_over(outline: Tensor, fill: Callable[[Tensor], object]) -> None:
    """Take the random numbers that would fill a tensor, some rows at a time; no block but the last has another size."""
    rows, width = len(outline), outline.shape[1:].numel()
    at_a_time = max(1, AT_A_TIME // (width * GROUP)) * GROUP
    block = torch.empty(min(rows, at_a_time + GROUP - 1), *outline.shape[1:], dtype=outline.dtype)
    for begin in range(0, max(1, rows - GROUP + 1), at_a_time):  # so that the last block has a group at least
        left = rows - begin
        fill(block[: left if left < at_a_time + GROUP else at_a_time])
