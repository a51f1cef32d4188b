"""One mini-batch of interactions, as every recommender sees it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class RankShare(NamedTuple):
    """A process's share of a mini-batch: how many rows the whole mini-batch has, and how many shares.

        mini-batch      [ r0 r1 r2 r3 r4 r5 r6 ]       as a single process would take it
        4 shares        [ r0 r1 │ r2 r3 │ r4 r5 │ r6 ] consecutive rows, numbers that differ by at most one
        of two rows     [ r0    │ r1    │       │    ] a share without rows counts as any other

    Attributes:
        rows: the rows of the whole mini-batch.
        shares: how many shares there are.
    """

    rows: int
    shares: int

    @property
    def weight(self) -> float:
        """What a row counts in a loss, so that the mean over the shares is the mean over the whole mini-batch."""
        return self.shares / self.rows

    @staticmethod
    def take(rows: Tensor, number: int, shares: int) -> Tensor:
        """The rows of one share, counted from 0."""
        return rows.tensor_split(shares)[number]


class Batch(NamedTuple):
    """``B`` interactions with the users' histories at the time of each of them.

    Attributes:
        user: user ids, int64 [B].
        item: item ids, int64 [B].
        history: the user's latest items strictly before the row's time, latest first, padded with 0, int64 [B, T].
        history_length: how many entries of ``history`` are real, int64 [B].
        label: 1 for a positive interaction and 0 for a negative one, float32 [B].
        categories: the stream's catalogue, category ids of *every* item, padded with -1, int64 [items, C]. It is the
            same tensor in every batch, not a copy. ``None`` for a stream without categories.
        context: the row's value of each of F categorical features, such as device or hour, int64 [B, F]. ``None`` for
            a stream without context features.
        numbers: the row's value of each of M numeric features, as it is in the stream, NaN where it is missing,
            float32 [B, M]. ``None`` for a stream without numbers.
        lists: the row's values of each of F multi-valued features, such as the tags of a page, padded with -1,
            int64 [B, F, L]. ``None`` for a stream without lists.
        weight: what the row counts in the loss and in the scores, float32 [B]. ``None`` if each row counts 1.
        labels: K further labels beside ``label``, such as buy or dwell, NaN where nobody knows, float32 [B, K].
            ``None`` for a stream with one label.
        candidates: items that are scored beside each row's own, the same for all rows, int64 [C]. ``None`` if rows are
            not ranked among others.
        log_expected: the logarithm of how often each candidate is expected among them, float32 [C].
        label_weights: what each of the further labels counts in the loss, float32 [K]; their logits are asked for then.
            ``None`` if the label alone counts.
        share: which share of a mini-batch these rows are, where several processes or micro-batches divide it;
            ``None`` if they are the whole mini-batch.

    Examples:
        >>> import torch
        >>> from asmg_pl.data.sources import DriftingStream
        >>> batch = DriftingStream(rows=100).read(None).batch(torch.arange(90, 95), history_size=3)
        >>> batch.user.shape, batch.history.shape, batch.label.dtype, batch.context
        (torch.Size([5]), torch.Size([5, 3]), torch.float32, None)
    """

    user: Tensor
    item: Tensor
    history: Tensor
    history_length: Tensor
    label: Tensor
    categories: Tensor | None = None
    context: Tensor | None = None
    numbers: Tensor | None = None
    lists: Tensor | None = None
    weight: Tensor | None = None
    labels: Tensor | None = None
    candidates: Tensor | None = None
    log_expected: Tensor | None = None
    label_weights: Tensor | None = None
    share: RankShare | None = None

    @property
    def total(self) -> int:
        """The number of rows of the whole mini-batch, over all processes."""
        return self.label.shape[0] if self.share is None else self.share.rows

    def split(self, sizes: Sequence[int]) -> list[Batch]:
        """Mini-batches of so many consecutive rows each, as views; the batch must be whole."""

        def pieces(column: Tensor | None) -> Iterable[Tensor | None]:
            return repeat(None, len(sizes)) if column is None else column.split([*sizes])

        shared = ("categories", "candidates", "log_expected", "label_weights", "share")
        by_row = {name: pieces(getattr(self, name)) for name in self._fields if name not in shared}
        return [
            Batch(**dict(zip(by_row, rows, strict=True)), categories=self.categories)
            for rows in zip(*by_row.values(), strict=True)
        ]
