"""Models with a head on them: one module, which answers requests as the walk is scored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.updaters.head import Head, features_of, within


class Headed(nn.Module):
    """Models with a head on them, which answers requests. It holds all that the answer depends on.

    Examples:
        >>> from asmg_pl.data import Sizes
        >>> from asmg_pl.recommenders import MatrixFactorization
        >>> from asmg_pl.updaters.head import PrequentialHead
        >>> head = Head(PrequentialHead())
        >>> served = Headed({"incremental": MatrixFactorization(Sizes(users=9, items=7))}, head)
        >>> [name for name in served.state_dict() if not name.startswith("models.")]
        ['users', 'items', 'coefficients', 'bounds', 'share', 'period']
    """

    def __init__(self, models: Mapping[str, nn.Module], head: Head) -> None:
        """Take models and head, as they are now.

        Args:
            models: those that the head reads, by name; they are not copied.
            head: which is copied.
        """
        super().__init__()
        self.models = nn.ModuleDict(dict(models))
        state = {
            "users": head.users.table,
            "items": head.items.table,
            "coefficients": head.coefficients.float(),
            "bounds": head.bounds,
        }
        numbers = {"share": torch.tensor(head.share), "period": torch.tensor(head.period + 1)}
        for name, value in (state | numbers).items():
            self.register_buffer(name, value.clone())

    @property
    def owners(self) -> Mapping[str, Any]:
        """The ways to rows of tables that other processes hold in part, as a recommender has them."""
        owners: Mapping[str, Any] = next(iter(self.models.values())).owners  # type: ignore[assignment]
        return owners

    def forward(self, batch: Batch) -> Tensor:
        """Logits [B]."""
        logits = [model(batch) for model in self.models.values()]
        coefficients = self.get_buffer("coefficients")
        if not len(coefficients):
            return logits[0]
        tables = self.get_buffer("users"), self.get_buffer("items")
        numbers = self.get_buffer("period"), self.get_buffer("share")
        features = features_of(logits, batch.user, batch.item, *tables, *numbers)
        return within(features, self.get_buffer("bounds")) @ coefficients
