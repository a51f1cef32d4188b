"""The row generator: it reads whole rows, and says for each of them how far its columns should move.

    counts of updates ─┐
    sizes and angles ──┼─▶ layers ─▶ s, a, c, b per column ─▶ θ* = θ + s θ + a (last move) + c (move before) + b
    values and moves ──┘

A coordinate by itself knows neither how large its row is, nor whether its moves keep their direction, nor how often the
row has been updated. A row that mini-batches rarely ask for can be stretched, and a row of many updates left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from asmg_pl.errors import ConfigError
from asmg_pl.generators.base import Generator, ParameterShapes
from asmg_pl.generators.counts import NUMBERS
from asmg_pl.generators.kernels.rows import NativeRows
from asmg_pl.generators.moves import COEFFICIENTS, Moves, states_after
from asmg_pl.generators.stored import StoredRows

#: Sizes of a row and of its two moves, and the angles between the moves and between last move and row.
SIZES_AND_ANGLES = 5


def row_features(window: Tensor, hidden: Tensor, beside: Tensor) -> Tensor:
    """What the layers see of rows, in numbers around 1.

    Args:
        window: values, float [k, n, D].
        hidden: the two values before the window, or none, float [n, D, 2] or [n, D, 0].
        beside: features that come first, float [k, n, C].

    Returns:
        float [k, n, C + 5 + 3 D]: sizes are logarithms, angles cosines; values are multiplied by 3, and moves by 9.
    """
    values, first, second = Moves.of(window, hidden)

    def product(one: Tensor, other: Tensor) -> Tensor:
        return (one * other).sum(-1, keepdim=True)

    squares = [product(each, each) for each in (values, first, second)]
    sizes = [(square / window.shape[-1] + 1e-10).log() / 5 + 1 for square in squares]
    angles = [
        product(first, second) / (squares[1] * squares[2] + 1e-20).sqrt(),
        product(first, values) / (squares[1] * squares[0] + 1e-20).sqrt(),
    ]
    return torch.cat([beside, *sizes, *angles, 3 * values, 9 * first, 9 * second], -1)


class RowGenerator(Generator):
    """Layers turn a row's values, moves and counts of updates into signed coefficients of its columns.

    Each table has layers of its own, which all its rows share. Dense coordinates have a coefficient each, as in
    :class:`~asmg_pl.generators.TrendGenerator`. Until the generator is trained, it serves the incremental model. Keep
    its state in float32: bfloat16 would round the values whose differences are the moves.

    Examples:
        >>> generator = RowGenerator(ParameterShapes(tables={"item": 8}, dense={"bias": 1}), layers=[16])
        >>> window, hidden = torch.randn(3, 5, 8), torch.zeros(5, 8, 2)  # three snapshots of five rows
        >>> updates = torch.ones(3, 5, 3)
        >>> torch.equal(generator.generate("item", window, hidden, updates), window)  # until it is trained
        True
    """

    def __init__(
        self,
        shapes: ParameterShapes,
        layers: Sequence[int] = (32,),
        carries_values: bool = True,
        counts_updates: bool = True,
    ) -> None:
        """Build the layers of each table, the last of which is zero, and the coefficients of dense coordinates.

        Args:
            shapes: what to generate.
            layers: widths of the hidden layers, at least one.
            carries_values: whether the two values before a window are kept as its state. Otherwise the window's first
                snapshot has no moves.
            counts_updates: whether the layers see how often, and how lately, a row has been updated.

        Raises:
            ConfigError: if there is no hidden layer, or one without a unit.
        """
        super().__init__()
        if not layers or min(layers) < 1:
            raise ConfigError(f"generator.layers must be widths from 1 on, at least one, got {list(layers)}")
        self.hidden_size = 2 if carries_values else 0
        self.counts_updates = counts_updates
        self.layers = nn.ModuleDict()
        for name, width in shapes.tables.items():
            inputs = NUMBERS * counts_updates + SIZES_AND_ANGLES + 3 * width
            units: list[nn.Module] = []
            for fan_in, fan_out in pairwise([inputs, *layers]):
                units += [nn.Linear(fan_in, fan_out), nn.SiLU()]
            last = nn.Linear(layers[-1], len(COEFFICIENTS) * width)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.layers[f"table_{name}"] = nn.Sequential(*units, last)
        self.coefficients = nn.Parameter(torch.zeros(len(COEFFICIENTS), sum(shapes.dense.values())))
        self._kernel: NativeRows | None = None
        self._on_gpu = False

    @property
    def repeats_rows(self) -> bool:
        """See :attr:`Generator.repeats_rows`: on a GPU, where rows cost less than the wait for their number."""
        return self._on_gpu

    def why_plain(self) -> str:
        """See :meth:`Generator.why_plain`."""
        return "its layers are the GPU's own matrix products"

    @property
    def computed_by(self) -> str:
        """See :attr:`Generator.computed_by`."""
        return "plain" if self._kernel is None else self._kernel.name

    def fuse(self, device: torch.device) -> None:
        """See :meth:`Generator.fuse`: C++ on the CPU."""
        self._on_gpu = device.type == "cuda"
        if device.type == "cpu":
            self._kernel = NativeRows()

    def table(self, name: str, window: Tensor, hidden: Tensor, updates: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Generator.table`; ``updates`` are the rows' counts, float [k, n, 3]."""
        coefficients = self._coefficients(name, row_features(window, hidden, self._beside(window, updates)))
        by_kind = coefficients.unflatten(-1, (len(COEFFICIENTS), -1)).movedim(-2, 0)  # [4, k, n, D]
        return Moves.of(window, hidden).changed(by_kind), states_after(window, hidden)

    def generate(self, name: str, window: Tensor, hidden: Tensor, *updates: Tensor) -> Tensor:
        """See :meth:`Generator.generate`."""
        if self._kernel is None:
            return super().generate(name, window, hidden, *updates)
        counts = updates[0].int().contiguous() if updates else None
        return self.generate_stored(name, replace(StoredRows.beside(window, hidden), counts=counts))

    def generate_stored(self, name: str, rows: StoredRows) -> Tensor:
        """See :meth:`Generator.generate_stored`."""
        if self._kernel is None or rows.hidden.dtype != torch.float32:
            return super().generate_stored(name, rows)
        if self.counts_updates and rows.counts is None:
            none = torch.zeros(*rows.snapshots.shape[:2], NUMBERS, dtype=torch.int32)
            rows = replace(rows, counts=none)
        linear = [layer for layer in self.layers[f"table_{name}"].children() if isinstance(layer, nn.Linear)]
        return self._kernel(linear, rows if self.counts_updates else replace(rows, counts=None))

    def advance(self, name: str, window: Tensor, hidden: Tensor, *updates: Tensor) -> Tensor:
        """See :meth:`Generator.advance`."""
        return states_after(window, hidden)[-1]

    def _beside(self, window: Tensor, updates: Tensor | None = None) -> Tensor:
        """The features that come from counts, float [k, n, 3] or [k, n, 0]."""
        if not self.counts_updates or updates is None:
            return window.new_zeros(*window.shape[:2], NUMBERS * self.counts_updates)
        return updates.log1p() / 4

    def _coefficients(self, name: str, features: Tensor) -> Tensor:
        found: Tensor = self.layers[f"table_{name}"](features)
        return found

    def dense(self, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Generator.dense`."""
        return Moves.of(window, hidden).changed(self.coefficients), states_after(window, hidden)

    def identity_at_zero(self) -> list[nn.Parameter]:
        """See :meth:`Generator.identity_at_zero`: the last layers, and the coefficients of dense coordinates."""
        last = [layers[-1] for layers in self.layers.values() if isinstance(layers, nn.Sequential)]
        return [*(parameter for layer in last for parameter in layer.parameters()), self.coefficients]

    def learned(self, name: str | None, window: Tensor, hidden: Tensor, *updates: Tensor) -> dict[str, float]:
        """The mean coefficients, by the names of :data:`~asmg_pl.generators.moves.COEFFICIENTS`."""
        if name is None:
            means = self.coefficients.mean(1)
        else:
            features = row_features(window, hidden, self._beside(window, *updates))
            means = self._coefficients(name, features).unflatten(-1, (len(COEFFICIENTS), -1)).mean((0, 1, 3))
        return dict(zip(COEFFICIENTS, means.tolist(), strict=True))
