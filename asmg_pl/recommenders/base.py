"""The interface between updaters and recommenders.

A recommender says which rows of which embedding table a batch needs, and scores the batch from their vectors. Where
the vectors come from is the caller's business: the recommender's own tables, or a generator's output for just those
rows, here or on another device. That makes updating methods model-agnostic, and keeps a training step from touching
whole tables.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.rows import touched_rows


@dataclass(frozen=True, slots=True)
class Lookup:
    """The vectors that a batch asked one table for: ``weight[index]``.

    Attributes:
        weight: float [U, D], at least the rows asked for.
        index: where in ``weight`` each asked-for row stands, int64, of the shape of the ids.
    """

    weight: Tensor
    index: Tensor

    def vectors(self) -> Tensor:
        """One vector for each id, float [*ids.shape, D]."""
        return F.embedding(self.index, self.weight)

    def columns(self, columns: int | slice) -> Lookup:
        """The lookup of some columns of ids [B, L, …]."""
        return Lookup(self.weight, self.index[:, columns])

    def weighted_sum(self, weights: Tensor) -> Tensor:
        """For each of B rows, the sum over its ids, float [B, D]; ids and ``weights`` have one shape [B, …].

        No tensor [B, …, D] is kept for the backward pass.
        """
        ids, weights = self.index.flatten(1), weights.flatten(1)
        if not ids.shape[1]:
            return self.weight.new_zeros(len(ids), self.weight.shape[1])
        if len(self.weight) <= ids.shape[1]:  # a small table: how much of each of its rows goes into each sum
            shares = weights.new_zeros(len(ids), len(self.weight)).scatter_add_(1, ids, weights)
            return shares @ self.weight
        return _WeightedSum.apply(self.weight, ids, weights)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Request:
    """Ids that are to become vectors; here, of a table whose rows are all at hand.

    Attributes:
        rows: which rows of the table at hand are needed, int64 of any shape.
        elsewhere: rows of the mini-batch that other processes ask their own copy of the table for.
    """

    rows: Tensor
    elsewhere: int = field(default=0, kw_only=True)

    def answer(self, weight: Tensor, index: Tensor) -> Lookup:
        """The asked-for vectors, given those of the rows that are needed.

        Args:
            weight: float [U, D], at least the rows that are needed, looked up or generated.
            index: where in ``weight`` each of ``rows`` stands, int64 of their shape.
        """
        return Lookup(weight, index)


class _WeightedSum(torch.autograd.Function):
    """``embedding_bag`` with weights; its own backward sorts the ids, which takes longer than all the rest."""

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


class Recommender(nn.Module, ABC):
    """A model with embedding tables and, beside them, dense parameters.

    A subclass fills ``self.tables`` and defines :meth:`lookups` and :meth:`score`; whatever other parameters it has
    are dense. ``score`` must read table vectors from its argument only.

    Attributes:
        tables: the embedding tables by name.
        row_wise: whether a table's gradient is sparse, of the rows that the batch touches; a table much smaller than
            the number of ids that a batch asks for keeps its dense one.
        owners: by name, whom to ask for rows of the tables of which not all rows are at hand.
    """

    tables: nn.ModuleDict
    row_wise: bool = False
    owners: Mapping[str, Callable[[Tensor], Request]] = MappingProxyType({})

    @abstractmethod
    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        """The ids that the batch needs of each table, int64 [B, …]."""

    @abstractmethod
    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """Logits [B] from the looked-up vectors and the dense parameters."""

    def forward(self, batch: Batch, lookups: Mapping[str, Lookup] | None = None) -> Tensor:
        """Logits [B]; vectors are looked up in the recommender's own tables unless others are given."""
        if lookups is None:
            lookups = {n: self._look_up(self.table(n), request) for n, request in self.requests(batch).items()}
        return self.score(batch, lookups)

    def requests(self, batch: Batch) -> dict[str, Request]:
        """What the batch asks each table for; see :attr:`owners`."""
        here = partial(Request, elsewhere=batch.total - len(batch.label))
        return {name: self.owners.get(name, here)(ids) for name, ids in self.lookups(batch).items()}

    def _look_up(self, table: nn.Parameter, request: Request) -> Lookup:
        if self.row_wise and table.requires_grad and torch.is_grad_enabled():
            touched, (places,) = touched_rows([request.rows], len(table), request.elsewhere)
            if len(touched) < len(table):
                return request.answer(F.embedding(touched, table, sparse=True), places)
        return request.answer(table, request.rows)

    def table(self, name: str) -> nn.Parameter:
        """The weight of a table, float [N, D]."""
        return self.tables[name].weight  # type: ignore[return-value]

    def table_parameters(self) -> dict[str, nn.Parameter]:
        """The weights of all tables by name."""
        return {name: self.table(name) for name in self.tables}

    def dense_parameters(self) -> dict[str, nn.Parameter]:
        """All other parameters by their module path."""
        return {name: p for name, p in self.named_parameters() if not name.startswith("tables.")}


def glorot_uniform_(tensor: Tensor) -> Tensor:
    """Fill with the Glorot uniform law in place; a vector [n] counts as fan-in = fan-out = n (method's base models)."""
    rows, columns = tensor.shape if tensor.ndim == 2 else (len(tensor), len(tensor))
    limit = (6.0 / (rows + columns)) ** 0.5
    return nn.init.uniform_(tensor, -limit, limit)


def relu_mlp(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers of these widths, input's and output's included, with ReLU between them."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths[:-1]):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))
