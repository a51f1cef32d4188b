"""Models with a head on them: one module, which answers requests as the walk is scored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.serving.head_features import features_of, within


class HeadNumbers(NamedTuple):
    """All that a head's answer depends on.

    Attributes:
        users: counts of users, float32 [users, 6], see :mod:`asmg_pl.serving.head_features`.
        items: counts of items, float32 [items, 6].
        coefficients: of the features, float [F]; empty before the head has learned anything.
        bounds: the least and the largest value of each feature in the fit, float32 [2, F].
        share: the mean click rate.
        period: the period whose rows are answered, which is the one after the last that was learned from.
    """

    users: Tensor
    items: Tensor
    coefficients: Tensor
    bounds: Tensor
    share: float
    period: int


class Headed(nn.Module):
    """Models with a head on them, which answers requests. It holds all that the answer depends on.

    Examples:
        >>> from asmg_pl.data import Sizes
        >>> from asmg_pl.recommenders import MatrixFactorization
        >>> counts, nothing = torch.zeros(1, 6), torch.zeros(0)
        >>> numbers = HeadNumbers(counts, counts, nothing, torch.zeros(2, 0), share=0.5, period=1)
        >>> served = Headed({"incremental": MatrixFactorization(Sizes(users=9, items=7))}, numbers)
        >>> [name for name in served.state_dict() if not name.startswith("models.")]
        ['users', 'items', 'coefficients', 'bounds', 'share', 'period']
    """

    def __init__(self, models: Mapping[str, nn.Module], numbers: HeadNumbers) -> None:
        """Take models and a head's numbers, as they are now.

        Args:
            models: those that the head reads, by name; they are not copied.
            numbers: of the head, which are copied.
        """
        super().__init__()
        self.models = nn.ModuleDict(dict(models))
        state = {
            "users": numbers.users,
            "items": numbers.items,
            "coefficients": numbers.coefficients.float(),
            "bounds": numbers.bounds,
        }
        scalars = {"share": torch.tensor(numbers.share), "period": torch.tensor(numbers.period)}
        for name, value in (state | scalars).items():
            self.register_buffer(name, value.clone())

    @property
    def numbers(self) -> HeadNumbers:
        """The head's numbers."""
        arrays = {name: self.get_buffer(name) for name in HeadNumbers._fields[:4]}
        return HeadNumbers(**arrays, share=float(self.get_buffer("share")), period=int(self.get_buffer("period")))

    @property
    def owners(self) -> Mapping[str, Any]:
        """The ways to rows of tables that other processes hold in part, as a recommender has them."""
        owners: Mapping[str, Any] = next(iter(self.models.values())).owners  # type: ignore[assignment]
        return owners

    def forward(self, batch: Batch) -> Tensor:
        """Logits [B]."""
        return self.over([model(batch) for model in self.models.values()], batch.user, batch.item)

    def over(self, logits: list[Tensor], user: Tensor, item: Tensor) -> Tensor:
        """The head's logits [B] of rows, from the logits [B] of the models in their order.

        Args:
            logits: of each model.
            user: int64 [B].
            item: int64 [B].
        """
        coefficients = self.get_buffer("coefficients")
        if not len(coefficients):
            return logits[0]
        tables = self.get_buffer("users"), self.get_buffer("items")
        numbers = self.get_buffer("period"), self.get_buffer("share")
        return within(features_of(logits, user, item, *tables, *numbers), self.get_buffer("bounds")) @ coefficients
