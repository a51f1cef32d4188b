"""The sides of all items of a package: computed once for a version, when they are first needed."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

import torch
from torch import Tensor

from asmg_pl.serving.sided import Side, SidedModel, at, joined, part

#: Items that are joined with a user at a time; their sides fit into a processor's cache.
CHUNK = 8192


class ItemSides:
    """Gives the sides of items. Threads may share it.

    Examples:
        >>> from asmg_pl.data import Sizes
        >>> from asmg_pl.recommenders import MatrixFactorization
        >>> from asmg_pl.serving.sided import Known, sided
        >>> sizes = Sizes(users=9, items=8)
        >>> sides = ItemSides(sided(MatrixFactorization(sizes), Known(sizes)), items=7)  # and one unknown
        >>> with torch.no_grad():
        ...     alone, every = sides.of(torch.tensor([3, 7])), sides.every()
        >>> all(torch.equal(one, other) for one, other in zip(alone, sides.of(torch.tensor([3, 7])), strict=True))
        True
    """

    def __init__(self, model: SidedModel, items: int) -> None:
        """Compute nothing yet.

        Args:
            model: computes sides.
            items: how many items there are; the id after theirs is that of an unknown one.
        """
        self._model, self._items = model, items
        self._every: Side | None = None
        self._preparing = Lock()

    def of(self, items: Tensor) -> Side:
        """The sides of items, int64 [n]; those that :meth:`every` has computed are not computed again."""
        return self._model.item_side(items) if self._every is None else at(self._every, items)

    def every(self) -> Side:
        """The sides of all items, and of an unknown one after them, computed once."""
        if self._every is None:
            with self._preparing, torch.inference_mode():
                if self._every is None:
                    chunks = torch.arange(self._items + 1).split(CHUNK)
                    self._every = joined([self._model.item_side(chunk) for chunk in chunks])
        return self._every

    def in_chunks(self) -> Iterator[Side]:
        """The sides of all items, without the unknown one, some at a time."""
        every = self.every()
        for start in range(0, self._items, CHUNK):
            yield part(every, slice(start, min(start + CHUNK, self._items)))
