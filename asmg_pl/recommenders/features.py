"""The features of a row beside user, item and history: categories, lists and numbers, each of a side.

context [B, F] ───▶ a table each ─▶ vector ─────────┐
lists [B, F, L] ──▶ a table each ─▶ mean of values ─┼─▶ [B, D] each, of the item's side or of the user's
numbers [B, M] ──▶ numbers.Numbers ─────────────────┘

A feature of an item is scored with the item; features of a user and of the interaction are scored with the user.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum

import torch
import torch.nn.functional as F
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Feature, Sizes
from asmg_pl.recommenders.kernels import side_by_side
from asmg_pl.recommenders.kernels.gathered import Gathered, computes, gathered
from asmg_pl.recommenders.lookup import Lookup

#: Characters that cannot stand in the name of a table: it names a module and a file.
_RESERVED = frozenset('./\\:%[]*?"<>|')


class Part(Enum):
    """Which features are meant: those of one side, or all of them."""

    USER = "user"
    ITEM = "item"
    ALL = "all"

    def has(self, feature: Feature) -> bool:
        """Whether a feature is one of them."""
        return self is Part.ALL or (feature.side == "item") == (self is Part.ITEM)


class FeatureTables:
    """The categorical and the multi-valued features of a stream, which have an embedding table each.

    Attributes:
        tables: by name, the number of rows of each table, at least 1: ``context[device]`` for a feature called device,
            ``list[tags]`` for a multi-valued one, and ``context_0`` for the first one if nobody knows its name.

    Examples:
        >>> sizes = Sizes(9, 9, context=(3,), context_features=(Feature("colour", "item", 3),))
        >>> features = FeatureTables(sizes)
        >>> features.tables, features.of_item
        ({'context[colour]': 3}, [True])
    """

    def __init__(self, sizes: Sizes) -> None:
        """Name the tables.

        Args:
            sizes: numbers of values, names and sides of the features.
        """
        named = sizes.context_features or tuple(Feature("") for _ in sizes.context)
        names = [table_of("context", each.name) if each.name else f"context_{n}" for n, each in enumerate(named)]
        self._context = dict(zip(names, named, strict=True))
        self._lists = {table_of("list", each.name): each for each in sizes.lists}
        self.tables = dict(zip(names, sizes.context, strict=True))
        self.tables |= {name: max(1, each.values) for name, each in self._lists.items()}

    @property
    def of_item(self) -> list[bool]:
        """For each table, whether its feature is of the item's side."""
        return [Part.ITEM.has(each) for each in (*self._context.values(), *self._lists.values())]

    def ids(self, batch: Batch) -> dict[str, Tensor]:
        """The ids that are looked up by table: int64 [B] of a category, [B, L] of a list, whose padding becomes 0."""
        found: dict[str, Tensor] = {}
        if batch.context is not None:
            found |= zip(self._context, batch.context.unbind(1), strict=True)
        if batch.lists is not None:
            found |= zip(self._lists, batch.lists.clamp(min=0).unbind(1), strict=True)
        return found

    def fields(self, batch: Batch, lookups: Mapping[str, Lookup], part: Part = Part.ALL) -> list[Tensor]:
        """The vector of each feature, float [B, D], in the order of the tables; that of an empty list is 0.

        Args:
            batch: the mini-batch.
            lookups: the lookups of the ids that :meth:`ids` names.
            part: of which side.
        """
        chosen = [lookups[name] for name, each in self._context.items() if part.has(each)]
        found = gathered(chosen).unbind(1) if chosen else ()
        return [*found, *self._means(batch, lookups, part)]

    def parts(self, batch: Batch, lookups: Mapping[str, Lookup]) -> list[side_by_side.Part]:
        """The vectors of :meth:`fields` of all sides, as parts of a row's columns."""
        chosen = [lookups[name] for name in self._context]
        if not chosen or not computes(chosen):
            return [side_by_side.Given(each) for each in self.fields(batch, lookups)]
        return [Gathered(chosen), *map(side_by_side.Given, self._means(batch, lookups, Part.ALL))]

    def _means(self, batch: Batch, lookups: Mapping[str, Lookup], part: Part) -> Iterator[Tensor]:
        """The vector of each multi-valued feature."""
        for number, (name, each) in enumerate(self._lists.items()):
            if part.has(each):
                assert batch.lists is not None
                yield lookups[name].weighted_sum(mean_share(batch.lists[:, number]))


def rows_of_user(user: Batch, items: Batch, sizes: Sizes) -> Batch:
    """The rows of B items for one user, or of B users with an item each.

    Args:
        user: one row, or B rows; its item, and the item's features, make no difference.
        items: B rows, of which the items and their features count. A kind of feature that no item has may be missing.
        sizes: with the features and their sides.
    """
    count = len(items.item)

    def column(ours: Tensor | None, theirs: Tensor | None, features: Sequence[Feature]) -> Tensor | None:
        of_item = [Part.ITEM.has(feature) for feature in features]
        if ours is None:
            return None
        ours = ours.expand(count, *ours.shape[1:])
        if theirs is None or not any(of_item):
            return ours
        if ours.ndim == 3:  # lists, of which the longer ones decide
            longest = max(ours.shape[-1], theirs.shape[-1])
            ours, theirs = (F.pad(each, (0, longest - each.shape[-1]), value=-1) for each in (ours, theirs))
        chosen = torch.tensor(of_item, device=ours.device).view(-1, *[1] * (ours.ndim - 2))
        return torch.where(chosen, theirs, ours)

    return items._replace(
        user=user.user.expand(count),
        history=user.history.expand(count, -1),
        history_length=user.history_length.expand(count),
        context=column(user.context, items.context, sizes.context_features),
        numbers=column(user.numbers, items.numbers, sizes.numbers),
        lists=column(user.lists, items.lists, sizes.lists),
    )


def mean_share(ids: Tensor) -> Tensor:
    """Weights [..., L] of a mean over the ids that are there; -1 stands for padding. They are all 0 if none is there.

    Examples:
        >>> mean_share(torch.tensor([[4, 7, -1], [-1, -1, -1]]))
        tensor([[0.5000, 0.5000, 0.0000],
                [0.0000, 0.0000, 0.0000]])
    """
    known = (ids >= 0).float()
    return known / known.sum(-1, keepdim=True).clamp(min=1)


def table_of(kind: str, feature: str) -> str:
    """The name of a feature's table; characters that no module or file may have in its name are escaped.

    Examples:
        >>> table_of("context", "device"), table_of("list", "page.tags")
        ('context[device]', 'list[page%2Etags]')
    """
    escaped = (f"%{ord(each):02X}" if each in _RESERVED or each < " " else each for each in feature)
    return f"{kind}[{''.join(escaped)}]"
