"""The trend generator: whether the base model's steps are too short or too long, column by column.

    θ* = θ_t + s θ_t + a (θ_t - θ_{t-1}) + c (θ_{t-1} - θ_{t-2}) + b          s, a, c, b: signed, one each per column

Where ``a`` is positive, the served model goes further in the direction of the last move: the base model's steps are too
short. Where it is negative, the served model takes a part of the move back: the steps are too long.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asmg_pl.generators.base import Generator, ParameterShapes
from asmg_pl.generators.moves import COEFFICIENTS, Moves, states_after


class TrendGenerator(Generator):
    """Signed coefficients of a coordinate's value and its last two moves; until it is trained, the incremental model.

    It has four numbers for each table column and each dense coordinate, so that people can read what it has learned.

    Examples:
        >>> generator = TrendGenerator(ParameterShapes(tables={"item": 2}, dense={"bias": 1}))
        >>> window, hidden = torch.tensor([[[1.0, 1.0]], [[2.0, 0.0]]]), torch.zeros(1, 2, 2)  # two snapshots of a row
        >>> with torch.no_grad():
        ...     generator.coefficients["table_item"][1] = torch.tensor([0.5, -0.5])  # of the last move, per column
        >>> generator.generate("item", window, hidden)[-1]  # the first column goes further, the second one back
        tensor([[2.5000, 0.5000]], grad_fn=<SelectBackward0>)
    """

    def __init__(self, shapes: ParameterShapes, carries_values: bool = True) -> None:
        """Create the coefficients, all zero.

        Args:
            shapes: what to generate.
            carries_values: whether the two values before a window are kept as its state. Otherwise the window's first
                snapshot has no moves.
        """
        super().__init__()
        self.hidden_size = 2 if carries_values else 0
        widths = {f"table_{name}": width for name, width in shapes.tables.items()}
        widths["dense"] = sum(shapes.dense.values())
        self.coefficients = nn.ParameterDict({k: torch.zeros(len(COEFFICIENTS), w) for k, w in widths.items()})

    def _changed(self, key: str, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        coefficients = self.coefficients[key]
        shape = len(COEFFICIENTS), *[1] * (window.ndim - 2), window.shape[-1]
        return Moves.of(window, hidden).changed(coefficients.view(shape)), states_after(window, hidden)

    def table(self, name: str, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Generator.table`."""
        return self._changed(f"table_{name}", window, hidden)

    def dense(self, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Generator.dense`."""
        return self._changed("dense", window, hidden)

    def identity_at_zero(self) -> list[nn.Parameter]:
        """See :meth:`Generator.identity_at_zero`."""
        return list(self.coefficients.values())

    def learned(self, name: str | None, window: Tensor, hidden: Tensor, *updates: Tensor) -> dict[str, float]:
        """The mean coefficients, by the names of :data:`~asmg_pl.generators.moves.COEFFICIENTS`."""
        means = self.coefficients["dense" if name is None else f"table_{name}"].mean(1)
        return dict(zip(COEFFICIENTS, means.tolist(), strict=True))
