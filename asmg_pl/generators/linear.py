"""ASMG-Linear: the serving model is a learned average of the snapshots.

θ* = Σ_j softmax(a)_j θ_{t-k+j}        one a ∈ R^k per table column and per dense coordinate, starting at 0
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asmg_pl.errors import ConfigError
from asmg_pl.generators.base import Generator, ParameterShapes


class LinearGenerator(Generator):
    """A weighted average of the window, without state, for ``weights: last``.

    Only the last position is generated, since only it has a whole window before it. The earlier ones are the snapshots.
    Source: Peng et al. (RecSys 2021), ASMG-Linear.

    Examples:
        >>> generator = LinearGenerator(ParameterShapes(tables={"item": 2}, dense={}, window=3))
        >>> window = torch.tensor([[[0.0, 3.0]], [[3.0, 3.0]], [[6.0, 9.0]]])  # three snapshots of one row
        >>> generator.generate("item", window, torch.zeros(1, 2, 0))[-1]  # at first, their mean
        tensor([[3., 5.]], grad_fn=<SelectBackward0>)
    """

    hidden_size = 0

    def __init__(self, shapes: ParameterShapes) -> None:
        """Create the logits a, all zero: the plain mean.

        Args:
            shapes: what to generate, from how many snapshots.

        Raises:
            ConfigError: if the number of snapshots grows.
        """
        super().__init__()
        if shapes.window is None:
            raise ConfigError(
                "LinearGenerator learns one share per snapshot and needs a fixed number of them: set model.window to "
                "a number, got null"
            )
        self.logits = nn.ParameterDict(
            {f"table_{name}": torch.zeros(width, shapes.window) for name, width in shapes.tables.items()}
        )
        self.logits["dense"] = nn.Parameter(torch.zeros(sum(shapes.dense.values()), shapes.window))

    def _average(self, key: str, window: Tensor) -> Tensor:
        """Values [k, …, P], of which the last is replaced by the average of all."""
        shares = self.logits[key].softmax(-1).T  # [k, P]
        average = torch.einsum("k...p,kp->...p", window, shares)
        return torch.cat([window[:-1], average[None]])

    def table(self, name: str, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Generator.table`."""
        return self._average(f"table_{name}", window), hidden.expand(len(window), *hidden.shape)

    def dense(self, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Generator.dense`."""
        return self._average("dense", window), hidden.expand(len(window), *hidden.shape)

    def learned(self, name: str | None, window: Tensor, hidden: Tensor, *updates: Tensor) -> dict[str, float]:
        """``"share_1"`` … ``"share_k"``, the snapshots' mean shares of the average, oldest snapshot first."""
        shares = self.logits["dense" if name is None else f"table_{name}"].softmax(-1).mean(0)  # [k]
        return {f"share_{i}": share for i, share in enumerate(shares.tolist(), start=1)}
