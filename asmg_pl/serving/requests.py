"""What a caller asks, checked, with ids in place of names. The id after the known ones stands for all unknown names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np
import torch
from torch import Tensor

from asmg_pl.errors import RequestError
from asmg_pl.serving.answers import Unknown
from asmg_pl.serving.given import Given, GivenFeatures
from asmg_pl.serving.ids import Name, check_name
from asmg_pl.serving.package import Package
from asmg_pl.serving.ranking import best
from asmg_pl.serving.remembered import Remembered
from asmg_pl.serving.values import StoredValues, Values

#: Names of items: any sequence of integers or strings, or an array of integers.
Items = Sequence[Name] | np.ndarray


@dataclass(frozen=True)
class User:
    """A user as one request has it.

    Attributes:
        id: of the user.
        history: the latest items, the latest first, at most as many as the model reads, int [n].
        seen: items that are not to be recommended, int [n].
        values: of the features of the row and of the user.
        unknown: what is not known, apart from items that are asked for.
    """

    id: int
    history: np.ndarray
    seen: np.ndarray
    values: Values
    unknown: Unknown


@dataclass(frozen=True)
class Asked:
    """Items as one request names them.

    Attributes:
        names: as they were given.
        ids: of the names, int64 [n].
        unknown: the distinct names that are unknown, or have no row of their own, in their order.
        stranger: the id that stands for all names that the package does not have.
    """

    names: list[Name]
    ids: np.ndarray
    unknown: tuple[Name, ...]
    stranger: int

    def named(self, places: Iterable[int]) -> list[Name]:
        """The names at some places."""
        return [self.names[place] for place in places]

    def distinct(self) -> Asked:
        """The items, each where it is named first."""
        if len(np.unique(self.ids)) == len(self.ids):
            return self
        first: dict[Any, int] = {}
        for place, number in enumerate(self.ids.tolist()):
            first.setdefault((self.names[place],) if number == self.stranger else number, place)
        places = list(first.values())
        return Asked(self.named(places), self.ids[places], self.unknown, self.stranger)

    def without(self, ids: np.ndarray, names: Collection[Name]) -> np.ndarray:
        """Which of the items are neither among these ids nor among these unknown names, bool [n]."""
        allowed = ~np.isin(self.ids, ids)
        if set(names) & set(self.unknown):
            allowed &= [name not in names for name in self.names]
        return allowed


class Requests:
    """Finds the ids that a package has for the names of requests.

    Attributes:
        items: the ids of items.
        offered: whether each item is recommended without being a candidate, bool [items]: those that have a name.
    """

    def __init__(self, package: Package, stored: StoredValues) -> None:
        """Map the ids.

        Args:
            package: whose ids, histories and seen items count.
            stored: what it has of the features of users.
        """
        self._users, self.items = package.ids("user"), package.ids("item")
        self._user_has_row, self._item_has_row = package.has_row("user"), package.has_row("item")
        self.offered = torch.tensor(package.has_name("item"))
        self._remembered = Remembered(self.items)
        self._given = GivenFeatures(package, stored)
        self._history, self._seen = package.history, package.seen
        self._longest = package.manifest.history_size

    def user(self, name: Name, history: Items | None = None, context: Mapping[str, Given] | None = None) -> User:
        """A user with history and context.

        Args:
            name: of the user.
            history: the user's latest items, the latest first, in place of those that the package has. Unknown items
                are left out, and then all but the latest ones that the model reads.
            context: values of the row's features by name: a category, a number, or a list. One that is left out, or
                ``None``, is what the package has of the user; of a feature of the row it is unknown.

        Raises:
            RequestError: if a name is neither an integer nor a string, a value is of another kind than its feature, or
                the package has no such feature of rows or users.
        """
        check_name(name, "user")
        number = self._users.find_one(name)
        known = number >= 0
        missing: tuple[Name, ...] = ()
        if history is None:
            latest, seen = _of(self._history, number), _of(self._seen, number)
        else:
            names, ids = self._found(history, "history")
            latest, missing = ids[ids >= 0], _distinct(names, ids < 0)
            seen = np.concatenate([_of(self._seen, number), latest])
        values, lacking = self._given.of(number if known else len(self._users), context)
        stranger = not known or not bool(self._user_has_row[number])
        unknown = Unknown(user=stranger, context=lacking, history=missing)
        return User(number if known else len(self._users), latest[: self._longest], seen, values, unknown)

    def items_named(self, names: Items, what: str) -> Asked:
        """Items by their names.

        Args:
            names: of the items.
            what: the argument that they stand in, for messages.

        Raises:
            RequestError: if ``names`` is no sequence of integers or strings.
        """
        given, ids = self._found(names, what)
        unknown, stranger = ids < 0, len(self.items)
        if stranger:
            unknown |= ~self._item_has_row[ids]  # of those that have no id, the last one's, which makes no difference
        ids[ids < 0] = stranger
        return Asked(given, ids, _distinct(given, unknown), stranger)

    def expect(self, popularity: Tensor) -> None:
        """Look up the names of the most popular items now, as requests will ask for them.

        Args:
            popularity: of each item, float [items].
        """
        count = min(self._remembered.room, int(self.offered.sum()))
        self._remembered.keep(best(popularity.masked_fill(~self.offered, -torch.inf), count).tolist())

    def sharing(self, items: np.ndarray) -> tuple[Name, ...]:
        """The names of those among offered items, int64 [n], that share a row, as a package of version 2 has them."""
        return tuple(self.items.names(items[~self._item_has_row[items]]))

    def _found(self, names: Items, what: str) -> tuple[list[Name], np.ndarray]:
        """Names as they are given, and their ids, int64 [n]; -1 for a name that the package does not have."""
        given = _names(names, what)
        return given, self._remembered.find(given)


def for_each(users: Sequence[Name], given: Sequence[Any] | None, what: str) -> Sequence[Any]:
    """What is given for each user: ``None`` for each if nothing is given.

    Raises:
        RequestError: if the numbers differ.
    """
    if given is None:
        return [None] * len(users)
    if isinstance(given, str) or not hasattr(given, "__len__") or len(given) != len(users):
        raise RequestError(f"{what} is {given!r:.60}: give a list with one entry for each of the {len(users)} users")
    return given


def whole_count(k: int) -> int:
    """A number of items that are wanted.

    Raises:
        RequestError: if it is no whole number of at least 1.
    """
    try:
        count = 0 if isinstance(k, bool) else index(k)
    except TypeError:
        count = 0
    if count < 1:
        raise RequestError(f"k is {k!r:.60}: give a whole number of at least 1")
    return count


def _names(names: Items, what: str) -> list[Name]:
    """Names of items as a list of integers and strings."""
    if isinstance(names, np.ndarray):
        names = names.tolist()
    if isinstance(names, str | bytes | Mapping) or not isinstance(names, Iterable):
        raise RequestError(f"{what} is {names!r:.60}: give a list of integers or strings")
    names = list(names)
    if not set(map(type, names)) <= {int, str}:
        for name in names:
            check_name(name, f"one of {what}")
        names = [name.item() if isinstance(name, np.generic) else name for name in names]
    return names


def _distinct(names: list[Name], wanted: np.ndarray) -> tuple[Name, ...]:
    """The names at the wanted places, bool [n], each once, in their order."""
    return tuple(dict.fromkeys(names[place] for place in np.flatnonzero(wanted).tolist()))


def _of(lists: Any, user: int) -> np.ndarray:
    """The list of a user; an empty one of an unknown user."""
    return lists.of(user) if user >= 0 else np.zeros(0, np.int32)
