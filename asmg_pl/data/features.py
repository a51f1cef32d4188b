"""Which columns of a frame are features of another kind than categories, and whose features they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from asmg_pl.data.sizes import Feature, Side, Sizes
from asmg_pl.errors import ConfigError


@dataclass(frozen=True)
class Features:
    """A description of a frame's columns. Any column that it does not name as below is a categorical context feature.

    Attributes:
        numbers: columns of numbers; a missing one becomes NaN.
        lists: columns of multi-valued features, such as the tags of a page; a missing list is empty.
        list_size: the most values of a list; later ones are cut off. It is the width of all batches' ``lists``.
        weight: the column with what a row counts in the loss and in the scores; ``None`` if each row counts 1.
        labels: columns of further labels, from 0 to 1, missing where nobody knows.
        logs: which of the numbers recommenders take the logarithm of, before it is scaled with the moments of the
            logarithms.
        users: which of the features, of any kind, are the user's; their values are those at the time of the row.
        items: which of them are the item's.

    Examples:
        >>> features = Features(numbers=("price", "age"), lists=("tags",), users=("age",), items=("price",))
        >>> [features.side(name) for name in ("price", "age", "tags")]
        ['item', 'user', 'row']
    """

    numbers: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    list_size: int = 16
    weight: str | None = None
    labels: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    items: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the description.

        Raises:
            ConfigError: if a column has two meanings, or a list no value.
        """
        if self.list_size < 1:
            raise ConfigError(f"lists need at least 1 value, got a list_size of {self.list_size}")
        for named in (self.columns, [*self.users, *self.items]):
            twice = sorted({name for name in named if [*named].count(name) > 1})
            if twice:
                raise ConfigError(f"column {twice[0]!r} is given two meanings: name it once")
        if strange := [name for name in self.logs if name not in self.numbers]:
            raise ConfigError(f"the logarithm of {strange[0]!r} is asked for, which is no number: name it among those")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are no context features."""
        return (*self.numbers, *self.lists, *([self.weight] if self.weight is not None else []), *self.labels)

    def side(self, name: str) -> Side:
        """What a feature belongs to."""
        return "user" if name in self.users else "item" if name in self.items else "row"

    def sizes(self, users: int, items: int, categories: int, context: Mapping[str, int], lists: Iterable[int]) -> Sizes:
        """The sizes of a stream with these features.

        Args:
            users: number of users.
            items: number of items.
            categories: number of categories.
            context: the context features in their order, each with its number of values.
            lists: the numbers of values of the multi-valued features.
        """
        return Sizes(
            users,
            items,
            categories,
            tuple(context.values()),
            context_features=tuple(Feature(name, self.side(name), values) for name, values in context.items()),
            numbers=tuple(Feature(name, self.side(name), log=name in self.logs) for name in self.numbers),
            lists=tuple(Feature(name, self.side(name), n) for name, n in zip(self.lists, lists, strict=True)),
            labels=self.labels,
        )


def with_values(sizes: Sizes, context: Iterable[int], lists: Iterable[int]) -> Sizes:
    """The sizes with other numbers of values of the context features and the multi-valued features."""
    context = tuple(context)
    named = zip(sizes.context_features, context, strict=False)  # there may be no names
    return sizes._replace(
        context=context,
        context_features=tuple(feature._replace(values=values) for feature, values in named),
        lists=tuple(feature._replace(values=values) for feature, values in zip(sizes.lists, lists, strict=True)),
    )
