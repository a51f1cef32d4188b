"""Served models as a request asks them: the user's side once, and many items' sides.

user, history, features ──▶ user_side ─▶ side [1] ─┐
                                                   ├─▶ join ─▶ logits [B]
ids of B items ───────────▶ item_side ─▶ side [B] ─┘

Split       of a recommender with sides: each is computed by itself
Dotted      of a recommender whose sides meet in a dot product: many users and items are one matrix product
Expanded    of any other recommender: rows are made of user and items, and scored; the history is pooled once
UnderHead   of several models and a head on them
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.recommenders import DotProduct, Lookup, Recommender, TwoSided
from asmg_pl.recommenders.features import rows_of_user
from asmg_pl.serving.head_features import WIDTH, describe, of_logits, within
from asmg_pl.serving.headed import Headed
from asmg_pl.serving.values import Values, kinds_of

#: Tensors whose first axis counts users, or items; a head has one side for each of its models.
Side = tuple["Tensor | Side", ...]


class Known(NamedTuple):
    """What is known of items.

    Attributes:
        sizes: with the features and their sides.
        catalogue: category ids of each item, int64 [items, C] padded with -1; ``None`` without categories.
        features: gives the features of items, int64 [n]; nothing by default.
    """

    sizes: Sizes
    catalogue: Tensor | None = None
    features: Callable[[Tensor], Values] = lambda items: Values()

    def rows(self, items: Tensor) -> Batch:
        """Rows of items, int64 [n], of nobody."""
        nobody, label = torch.zeros_like(items), torch.zeros(len(items), device=items.device)
        rows = Batch(nobody, items, nobody.new_zeros(len(items), 0), nobody, label, self.catalogue)
        return rows._replace(**self.features(items)._asdict())


class SidedModel(ABC):
    """A model that scores users and items from their sides. Ids may be those of the unknown."""

    @abstractmethod
    def user_side(self, rows: Batch) -> Side:
        """The sides of users.

        Args:
            rows: one for each user; their items make no difference.
        """

    @abstractmethod
    def item_side(self, items: Tensor) -> Side:
        """The sides of items, int64 [B]."""

    @abstractmethod
    def join(self, user: Side, item: Side) -> Tensor:
        """Logits [B].

        Args:
            user: the side of one user.
            item: the sides of B items.
        """

    def matrix(self, user: Side, item: Side) -> Tensor:
        """Logits [U, B].

        Args:
            user: the sides of U users, at least one.
            item: the sides of B items.
        """
        return torch.stack([self.join(part(user, slice(row, row + 1)), item) for row in range(_length(user))])


class Split(SidedModel):
    """A recommender that has sides."""

    def __init__(self, recommender: Recommender, sides: TwoSided, known: Known) -> None:
        """Take a recommender, which is not copied.

        Args:
            recommender: names the ids that are looked up, and has the tables.
            sides: the recommender itself, or the one within it.
            known: what is known of items.
        """
        self._recommender, self._sides, self._known = recommender, sides, known

    def user_side(self, rows: Batch) -> Side:
        """See :meth:`SidedModel.user_side`."""
        return self._sides.user_side(rows, looked_up(self._recommender, rows))

    def item_side(self, items: Tensor) -> Side:
        """See :meth:`SidedModel.item_side`."""
        rows = self._known.rows(items)
        return self._sides.item_side(rows, looked_up(self._recommender, rows))

    def join(self, user: Side, item: Side) -> Tensor:
        """See :meth:`SidedModel.join`."""
        return self._sides.join(tensors(user), tensors(item))


class Dotted(SidedModel):
    """A recommender whose users and items meet in a dot product."""

    def __init__(self, recommender: Recommender, vectors: DotProduct, known: Known) -> None:
        """Take a recommender, which is not copied.

        Args:
            recommender: names the ids that are looked up, and has the tables.
            vectors: the recommender itself, or the one within it.
            known: what is known of items.
        """
        self._recommender, self._vectors, self._known = recommender, vectors, known

    def user_side(self, rows: Batch) -> Side:
        """See :meth:`SidedModel.user_side`."""
        found = looked_up(self._recommender, rows)
        return self._vectors.user_vectors(rows, found), self._vectors.offsets(rows, found)

    def item_side(self, items: Tensor) -> Side:
        """See :meth:`SidedModel.item_side`."""
        rows = self._known.rows(items)
        return (self._vectors.item_vectors(rows, looked_up(self._recommender, rows)),)

    def join(self, user: Side, item: Side) -> Tensor:
        """See :meth:`SidedModel.join`."""
        return self.matrix(user, item)[0]

    def matrix(self, user: Side, item: Side) -> Tensor:
        """See :meth:`SidedModel.matrix`."""
        (vectors, offsets), (items,) = tensors(user), tensors(item)
        return vectors @ items.T + offsets[:, None]


class Expanded(SidedModel):
    """A recommender without sides: the user's row is repeated for each item, but sums over its ids are made once."""

    def __init__(self, recommender: Recommender, known: Known) -> None:
        """Take a recommender, which is not copied.

        Args:
            recommender: scores whole rows.
            known: what is known of items.
        """
        self._recommender, self._known = recommender, known

    def user_side(self, rows: Batch) -> Side:
        """See :meth:`SidedModel.user_side`."""
        return tuple(getattr(rows, name) for name in self._columns)

    def item_side(self, items: Tensor) -> Side:
        """See :meth:`SidedModel.item_side`."""
        return (items,)

    def join(self, user: Side, item: Side) -> Tensor:
        """See :meth:`SidedModel.join`."""
        (items,) = tensors(item)
        theirs = self._known.rows(items)
        columns: dict[str, Any] = dict(zip(self._columns, tensors(user), strict=True))
        rows = rows_of_user(theirs._replace(**columns), theirs, self._known.sizes)
        lookups = looked_up(self._recommender, rows)
        found = {name: OneUser(each.weight, each.index, each.known) for name, each in lookups.items()}
        return self._recommender.score(rows, found)

    @property
    def _columns(self) -> list[str]:
        """The columns of a user's row that a model may read."""
        return ["user", "history", "history_length", *kinds_of(self._known.sizes)]


class UnderHead(SidedModel):
    """Several models with a head on them. What the head adds for a user, and for an item, is part of their sides."""

    def __init__(self, models: Sequence[SidedModel], head: Headed) -> None:
        """Take models and their head, which are not copied.

        Args:
            models: those that the head reads, in its order.
            head: which has learned something.
        """
        self._models, self._head = models, head
        widths = 1 + len(models), WIDTH, WIDTH
        self._coefficients = head.get_buffer("coefficients").split(widths)
        self._bounds = head.get_buffer("bounds").split(widths, dim=1)

    def user_side(self, rows: Batch) -> Side:
        """See :meth:`SidedModel.user_side`."""
        return *(model.user_side(rows) for model in self._models), self._of_ids("users", rows.user, 1)

    def item_side(self, items: Tensor) -> Side:
        """See :meth:`SidedModel.item_side`."""
        return *(model.item_side(items) for model in self._models), self._of_ids("items", items, 2)

    def join(self, user: Side, item: Side) -> Tensor:
        """See :meth:`SidedModel.join`."""
        *ours, of_user = user
        *theirs, of_item = item
        pairs = zip(self._models, cast(list[Side], ours), cast(list[Side], theirs), strict=True)
        logits = [model.join(one, other) for model, one, other in pairs]
        return within(of_logits(logits), self._bounds[0]) @ self._coefficients[0] + of_user + of_item

    def _of_ids(self, name: str, ids: Tensor, number: int) -> Tensor:
        """What the counts of ids add to the head's logit, float [n]."""
        period, share = self._head.get_buffer("period"), self._head.get_buffer("share")
        features = describe(self._head.get_buffer(name), ids, period, share)
        return features.clamp(*self._bounds[number]) @ self._coefficients[number]


class OneUser(Lookup):
    """Vectors that rows of one user ask for: where all rows ask for the same sum, it is computed once.

    Examples:
        >>> lookup = OneUser(torch.eye(2), torch.tensor([[0, 1], [0, 1], [0, 1]]))
        >>> lookup.weighted_sum(torch.full((3, 2), 0.5)).tolist()
        [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]
    """

    def columns(self, columns: int | slice) -> Lookup:
        """See :meth:`~asmg_pl.recommenders.Lookup.columns`."""
        return OneUser(self.weight, self.index[:, columns], self.known)

    def weighted_sum(self, weights: Tensor) -> Tensor:
        """See :meth:`~asmg_pl.recommenders.Lookup.weighted_sum`."""
        count = len(self.index)
        if count > 1 and all(bool((each == each[:1]).all()) for each in (self.index, weights)):
            once = Lookup(self.weight, self.index[:1], self.known).weighted_sum(weights[:1])
            return once.repeat(count, 1)
        return Lookup(self.weight, self.index, self.known).weighted_sum(weights)


def sided(served: nn.Module, known: Known) -> SidedModel:
    """A served model by its sides.

    Args:
        served: a recommender, or models with a head on them.
        known: what is known of items.
    """
    if isinstance(served, Headed):
        models = [sided(model, known) for model in served.models.values()]
        return UnderHead(models, served) if len(served.get_buffer("coefficients")) else models[0]
    assert isinstance(served, Recommender)
    sides = served.sides()
    if isinstance(sides, DotProduct):
        return Dotted(served, sides, known)
    return Expanded(served, known) if sides is None else Split(served, sides, known)


def part(side: Side, rows: slice) -> Side:
    """The sides of a range of users or items, without a copy."""
    return tuple(part(each, rows) if isinstance(each, tuple) else each[rows] for each in side)


def at(side: Side, places: Tensor) -> Side:
    """The sides at some places, int64 [n], as a copy."""
    return tuple(at(each, places) if isinstance(each, tuple) else each.index_select(0, places) for each in side)


def joined(sides: Sequence[Side]) -> Side:
    """Several sides, one after the other."""
    return tuple(
        joined(parts) if isinstance(parts[0], tuple) else torch.cat(parts) for parts in zip(*sides, strict=True)
    )


def tensors(side: Side) -> tuple[Tensor, ...]:
    """A side that has no other within it."""
    return cast(tuple[Tensor, ...], side)


def _length(side: Side) -> int:
    """How many users or items a side is of."""
    first = side[0]
    return _length(first) if isinstance(first, tuple) else len(first)


def looked_up(recommender: Recommender, rows: Batch) -> Mapping[str, Lookup]:
    """The vectors that rows ask for, wherever the rows of tables are."""
    asked = recommender.requests(rows)
    return {name: request.answer(recommender.stored(name), request.rows) for name, request in asked.items()}
