"""How many users, items and categories a stream has, and which features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

Side = Literal["row", "user", "item"]


class Feature(NamedTuple):
    """A feature of the stream's rows.

    Attributes:
        name: its name in the stream.
        side: what it belongs to: the interaction itself (``"row"``), its user, or its item. The value of a user or an
            item is that which it had at the time of the row.
        values: its number of values, for categories and lists; 0 for a number.
        log: whether a number's logarithm is scaled, see :func:`asmg_pl.data.moments.logarithm`.

    Examples:
        >>> Feature("price", "item")
        Feature(name='price', side='item', values=0, log=False)
    """

    name: str
    side: Side = "row"
    values: int = 0
    log: bool = False


class Sizes(NamedTuple):
    """How many users, items and categories a stream has: the rows that an embedding table of each needs.

    Attributes:
        users: number of users.
        items: number of items.
        categories: number of categories; 0 for a stream without any.
        context: for each categorical feature, its number of values.
        context_features: the categorical features in the same order, with names and sides; empty if nobody knows them.
        numbers: the numeric features, in the order of the batches' ``numbers``.
        lists: the multi-valued features, in the order of the batches' ``lists``.
        labels: the names of the further labels, in the order of the batches' ``labels``.
        past: gives the sizes of the rows up to the end of a period; ``None`` for rows that are not cut into periods.

    Examples:
        >>> sizes = Sizes(users=9, items=7, context=(3,), numbers=(Feature("price", "item"),))
        >>> sizes.context, [feature.name for feature in sizes.numbers]
        ((3,), ['price'])
    """

    users: int
    items: int
    categories: int = 0
    context: tuple[int, ...] = ()
    past: Callable[[int], Sizes] | None = None
    context_features: tuple[Feature, ...] = ()
    numbers: tuple[Feature, ...] = ()
    lists: tuple[Feature, ...] = ()
    labels: tuple[str, ...] = ()

    def by(self, period: int) -> Sizes:
        """The sizes of the rows up to the end of a period; these sizes, where there are no periods."""
        return self if self.past is None else self.past(period)
