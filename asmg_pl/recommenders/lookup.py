"""Vectors that a batch asks the tables for, and the sums over them.

ids [B, L] ─▶ request ─▶ lookup: weight [U, D], index [B, L] ─┬─▶ vectors [B, L, D]
                                                              └─▶ weighted sums [B, D]
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

#: The most rows of a table that is multiplied as a whole where vectors are summed.
SMALL = 128


@dataclass(frozen=True, slots=True)
class Lookup:
    """The vectors that a batch asked one table for: ``weight[index]``.

    Attributes:
        weight: float [U, D], which has at least the rows asked for.
        index: the place in ``weight`` of the row of each id, int64, of the shape of the ids.
        known: a row number; no row from it on is asked for. ``None`` if all rows may be asked for.

    Examples:
        >>> lookup = Lookup(torch.tensor([[0.0, 1.0], [2.0, 3.0]]), torch.tensor([[1, 1], [0, 1]]))
        >>> lookup.vectors().shape  # a vector of two numbers for each of 2 x 2 ids
        torch.Size([2, 2, 2])
        >>> lookup.weighted_sum(torch.tensor([[0.5, 0.5], [1.0, 0.0]]))
        tensor([[2., 3.],
                [0., 1.]])
    """

    weight: Tensor
    index: Tensor
    known: int | None = None

    def vectors(self) -> Tensor:
        """One vector for each id, float [*ids.shape, D]."""
        return F.embedding(self.index, self.weight)

    def columns(self, columns: int | slice) -> Lookup:
        """The lookup of some columns of ids [B, L, …]."""
        return Lookup(self.weight, self.index[:, columns], self.known)

    def weighted_sum(self, weights: Tensor) -> Tensor:
        """For each of B rows, the sum over its ids, float [B, D]; ids and ``weights`` have one shape [B, …].

        No tensor [B, …, D] is kept for the backward pass.
        """
        ids, weights = self.index.flatten(1), weights.flatten(1)
        if not ids.shape[1]:
            return self.weight.new_zeros(ids.shape[0], self.weight.shape[1])
        if torch.compiler.is_exporting():  # in operations that every runtime has
            return (weights[..., None] * F.embedding(ids, self.weight)).sum(1)
        table = self.weight if self.known is None or self.known >= len(self.weight) else self.weight[: self.known]
        if len(table) <= SMALL:  # one matrix product: [B, U], each row's share of each sum, times [U, D]
            return weights.new_zeros(ids.shape[0], len(table)).scatter_add_(1, ids, weights) @ table
        if not torch.is_grad_enabled():  # the same sum, without what a backward pass needs
            return F.embedding_bag(ids, self.weight, per_sample_weights=weights, mode="sum")
        return _WeightedSum.apply(self.weight, ids, weights)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Request:
    """Ids whose vectors are wanted, from a table whose rows are all at hand.

    Attributes:
        rows: which rows of the table at hand are needed, int64 of any shape.
        rows_on_other_ranks: rows of the mini-batch that other processes ask their own copy of the table for.
        known: no row of the table from here on is asked for; ``None`` if all may be.

    Examples:
        >>> request = Request(torch.tensor([4, 2, 4]))
        >>> generated = torch.tensor([[0.2], [0.4]])  # of the rows 2 and 4 alone
        >>> request.answer(generated, torch.tensor([1, 0, 1])).vectors().flatten()
        tensor([0.4000, 0.2000, 0.4000])
    """

    rows: Tensor
    rows_on_other_ranks: int = field(default=0, kw_only=True)
    known: int | None = field(default=None, kw_only=True)

    def answer(self, weight: Tensor, index: Tensor) -> Lookup:
        """Give the vectors that were asked for.

        Args:
            weight: float [U, D], the looked up or generated vectors of at least the rows that are needed.
            index: the place in ``weight`` of each of ``rows``, int64 of their shape.
        """
        return Lookup(weight, index, self.known)

    def times(self) -> Tensor:
        """How often each of ``rows`` is asked for, int32 of their shape."""
        return torch.ones_like(self.rows, dtype=torch.int32)


class _WeightedSum(torch.autograd.Function):
    """``embedding_bag`` with another backward pass, since torch's sorts the ids, which takes longer than all else."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, ids: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(ids, weights, table if ctx.needs_input_grad[2] else None)
        ctx.rows = len(table)
        return F.embedding_bag(ids, table, per_sample_weights=weights, mode="sum")

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        ids, weights, table = ctx.saved_tensors
        by_table = by_weights = None
        if ctx.needs_input_grad[0]:
            spread = weights[..., None] * gradient[:, None]  # [B, L, D]
            by_table = gradient.new_zeros(ctx.rows, gradient.shape[1])
            by_table.index_add_(0, ids.flatten(), spread.flatten(0, 1))
        if ctx.needs_input_grad[2]:
            by_weights = (F.embedding(ids, table) @ gradient[..., None]).squeeze(-1)
        return by_table, None, by_weights
