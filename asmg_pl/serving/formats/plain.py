"""The serving model as a module of plain tensors, which other programs can run.

    user [B] ─────────────┐
    item [B] ─────────────┤
    history [B, T] ───────┼─▶ batch ─▶ models ─▶ head, if there is one ─▶ logit [B], probability [B]
    history_length [B] ───┤
    context [B, F] ───────┤
    numbers [B, M] ───────┤
    lists [B, F, L] ──────┘

Ids are row numbers, in the order of ``ids/*.parquet``. Any other number, such as -1, stands for an id that is not
known, and gets the row after the known ones; of a list it is left out. Numbers are float32, NaN where one is missing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.serving.values import kinds_of


class PlainRows(nn.Module):
    """Makes batches of plain tensors, in which no id of a row is out of range.

    Attributes:
        kinds: the kinds of features that rows have beside user, item and history, in the order of the arguments.

    Examples:
        >>> rows = PlainRows(Sizes(users=3, items=3), history_size=2)
        >>> one = torch.tensor([-1])  # which is nobody's number
        >>> rows(one, one, torch.tensor([[1, 7]]), torch.tensor([5])).history
        tensor([[1, 3]])
    """

    catalogue: Tensor | None
    _values: Tensor | None
    _list_values: Tensor | None

    def __init__(self, sizes: Sizes, history_size: int, catalogue: Tensor | None = None) -> None:
        """Take what the batches have in common.

        Args:
            sizes: how many ids of each kind are known, and the features.
            history_size: the longest history, T.
            catalogue: category ids of each item and of the unknown one, int [items + 1, C] padded with -1.
        """
        super().__init__()
        self._sizes, self._history_size, self.kinds = sizes, history_size, kinds_of(sizes)
        self.register_buffer("catalogue", catalogue)
        self.register_buffer("_values", torch.tensor(sizes.context) if sizes.context else None)
        counts = [[feature.values] for feature in sizes.lists]
        self.register_buffer("_list_values", torch.tensor(counts) if counts else None)

    def forward(self, user: Tensor, item: Tensor, history: Tensor, history_length: Tensor, *features: Tensor) -> Batch:
        """A batch of rows; their labels are 0.

        Args:
            user: int64 [B].
            item: int64 [B].
            history: int64 [B, T].
            history_length: int64 [B].
            features: of each of ``kinds``: ``context``, int64 [B, F]; ``numbers``, float32 [B, M]; ``lists``, int64
                [B, F, L].
        """
        given: dict[str, Any] = dict(zip(self.kinds, features, strict=True))
        if self._values is not None:
            given["context"] = known_or(self._values, given["context"])
        if self._list_values is not None:
            lists = given["lists"]
            given["lists"] = lists.masked_fill((lists < 0) | (lists >= self._list_values), -1)
        return Batch(
            user=known_or(self._sizes.users, user),
            item=known_or(self._sizes.items, item),
            history=known_or(self._sizes.items, history),
            history_length=history_length.clamp(0, self._history_size),
            label=torch.zeros_like(user, dtype=torch.float32),
            categories=self.catalogue,
            **given,
        )


def known_or(count: int | Tensor, ids: Tensor) -> Tensor:
    """Ids in which each number that is not below ``count``, or is negative, is ``count`` itself: the unknown one."""
    return torch.where((ids >= 0) & (ids < count), ids, count)


class PlainModel(nn.Module):
    """The model that answers requests, with its head.

    Examples:
        >>> from asmg_pl.recommenders import MatrixFactorization
        >>> rows = PlainRows(Sizes(users=3, items=3), history_size=2)
        >>> model = PlainModel(MatrixFactorization(Sizes(users=4, items=4)), rows)
        >>> five = torch.arange(5)
        >>> logit, probability = model(five, five, torch.zeros(5, 2).long(), torch.zeros(5).long())
        >>> logit.shape, probability.shape
        (torch.Size([5]), torch.Size([5]))
    """

    def __init__(self, served: nn.Module, rows: PlainRows) -> None:
        """Put the two together.

        Args:
            served: gives logits [B] of a batch.
            rows: makes batches.
        """
        super().__init__()
        self.served, self.rows = served, rows

    def forward(
        self, user: Tensor, item: Tensor, history: Tensor, history_length: Tensor, *features: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits and probabilities, float32 [B] each, of rows; see :meth:`PlainRows.forward`."""
        logit: Tensor = self.served(self.rows(user, item, history, history_length, *features))
        return logit, logit.sigmoid()
