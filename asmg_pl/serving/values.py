"""The features of rows as a package knows them: those of its users and items are stored, others come with a request.

item 7 ─▶ features/item/numbers.npy ─▶ [ NaN  9.99 ]        columns of other sides are unknown
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from asmg_pl.data.sizes import Feature, Side, Sizes
from asmg_pl.serving.package import Package

#: The kinds of features, as a batch names them.
KINDS = ("context", "numbers", "lists")


def kinds_of(sizes: Sizes) -> tuple[str, ...]:
    """The kinds of features that a stream has, in the order of :data:`KINDS`.

    Examples:
        >>> kinds_of(Sizes(users=9, items=7, context=(3, 2), lists=(Feature("tags", "item", 4),)))
        ('context', 'lists')
    """
    return tuple(kind for kind in KINDS if getattr(sizes, kind))


class Values(NamedTuple):
    """The features of n rows, in the columns of a :class:`~asmg_pl.data.Batch`; ``None`` where there are none.

    Attributes:
        context: ids of categorical values, int64 [n, F]. That after the known ones stands for an unknown value.
        numbers: float32 [n, M], NaN for a missing one.
        lists: ids of values, int64 [n, F, L], padded with -1.
    """

    context: Tensor | None = None
    numbers: Tensor | None = None
    lists: Tensor | None = None

    @staticmethod
    def joined(rows: Sequence[Values]) -> Values:
        """Several rows, one after the other; lists are padded to the longest one."""
        return Values(*(None if columns[0] is None else _cat(columns) for columns in zip(*rows, strict=True)))


class StoredValues:
    """Gives the values that are known of users and items."""

    def __init__(self, sizes: Sizes, stored: Callable[[Side, str], np.ndarray], context: Sequence[str] = ()) -> None:
        """Look at what there is.

        Args:
            sizes: with the features and their sides.
            stored: the values of a side's features of a kind by id, see :class:`~asmg_pl.data.latest.Latest`; asked for
                those that there are.
            context: names of the categorical features, where ``sizes`` have none.
        """
        self.kinds: dict[str, tuple[Feature, ...]] = {
            "context": sizes.context_features or tuple(Feature(name) for name in context),
            "numbers": sizes.numbers,
            "lists": sizes.lists,
        }
        self.kinds = {kind: features for kind, features in self.kinds.items() if features}
        self._unknown = torch.tensor(sizes.context, dtype=torch.int64)
        self._stored: dict[tuple[str, str], Tensor] = {}
        sides: tuple[Side, ...] = ("user", "item")
        for side in sides:
            for kind in self.kinds:
                if self.places(kind, side):
                    self._stored[side, kind] = torch.from_numpy(stored(side, kind))

    @classmethod
    def of(cls, package: Package) -> StoredValues:
        """What a package, open, has of its users and items."""
        return cls(package.sizes, package.features, package.manifest.context)

    def places(self, kind: str, side: Side) -> list[int]:
        """Where the features of a side stand among those of a kind."""
        return [place for place, feature in enumerate(self.kinds[kind]) if feature.side == side]

    def of_user(self, user: int) -> Values:
        """The features of a row of this user, int, of which those of the row and of the item are unknown."""
        return self._of("user", torch.tensor([user]))

    def of_items(self, items: Tensor) -> Values:
        """The features of items, int64 [n], on their device; no columns if items have no features."""
        if not any(side == "item" for side, _ in self._stored):
            return Values()
        found = self._of("item", items.cpu())
        return Values(*(None if column is None else column.to(items.device) for column in found))

    def _of(self, side: Side, ids: Tensor) -> Values:
        found = {}
        for kind, features in self.kinds.items():
            stored = self._stored.get((side, kind))
            values = self._nothing(kind, len(ids), len(features), 1 if stored is None else stored.shape[-1])
            if stored is not None:
                values[:, self.places(kind, side)] = stored[ids].to(values.dtype)
            found[kind] = values
        return Values(**found)

    def _nothing(self, kind: str, rows: int, features: int, longest: int) -> Tensor:
        if kind == "context":
            return self._unknown.repeat(rows, 1)
        if kind == "numbers":
            return torch.full((rows, features), torch.nan)
        return torch.full((rows, features, longest), -1)


def _cat(columns: Sequence[Tensor]) -> Tensor:
    if columns[0].ndim < 3:
        return torch.cat([*columns])
    longest = max(each.shape[-1] for each in columns)
    return torch.cat([F.pad(each, (0, longest - each.shape[-1]), value=-1) for each in columns])
