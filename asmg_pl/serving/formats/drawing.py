"""Rows that are drawn of a package: as ids, for a program, and by names, for the scorer.

ids drawn, and -1 ───▶ rows: ids, numbers, lists
                  └──▶ names, of -1 one that nobody has

What a request cannot give, such as features of items, the rows have as the package has it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.recommenders.features import rows_of_user
from asmg_pl.recommenders.numbers import Numbers
from asmg_pl.serving.given import Given
from asmg_pl.serving.ids import Name
from asmg_pl.serving.package import Package
from asmg_pl.serving.sided import Known
from asmg_pl.serving.values import StoredValues, Values

#: Users, items of each, and values of a list that are drawn at most, beside the unknown ones.
USERS, ITEMS, LISTED = 40, 12, 3


class Drawn(NamedTuple):
    """Items of one user.

    Attributes:
        rows: one for each item; -1 stands for an unknown user, item or value.
        user: the user's name.
        items: the items' names.
        given: the features of the rows and of the user by name.
    """

    rows: Batch
    user: Name
    items: list[Name]
    given: dict[str, Given]


class Drawing:
    """Draws rows of a package, always the same ones."""

    def __init__(self, package: Package) -> None:
        """Map what the package has.

        Args:
            package: of the rows.
        """
        self._package, self._draw, self._stored = package, np.random.default_rng(0), StoredValues.of(package)
        self._known = Known(package.sizes, features=self._stored.of_items)
        scales = [each for each in package.served().modules() if isinstance(each, Numbers)]
        self._scale = scales[0] if scales else Numbers(package.sizes.numbers)

    def users(self) -> list[int]:
        """Users, the last of which is unknown."""
        return self._of_side("user", USERS)

    def of(self, user: int) -> Drawn:
        """Items of one user, with a history and features."""
        package, places = self._package, self._package.manifest.history_size
        items = self._of_side("item", ITEMS)
        past = package.history.of(user)[:places] if user >= 0 else np.zeros(0, np.int32)
        values, given = self._features(user)
        row = Batch(
            user=torch.tensor([user]),
            item=torch.zeros(1, dtype=torch.int64),
            history=torch.from_numpy(np.pad(past, (0, places - len(past))).astype(np.int64))[None],
            history_length=torch.tensor([len(past)]),
            label=torch.zeros(1),
            **values._asdict(),
        )
        rows = rows_of_user(row, self._known.rows(torch.tensor(items)), package.sizes)
        return Drawn(rows, self._name("user", user), [self._name("item", item) for item in items], given)

    def _features(self, user: int) -> tuple[Values, dict[str, Given]]:
        """The features of one row, of which those of the item are unknown, and the others by name."""
        values = self._stored.of_user(user if user >= 0 else self._package.sizes.users)
        if values.lists is not None:
            values = values._replace(lists=F.pad(values.lists, (0, LISTED), value=-1))
        given: dict[str, Given] = {}
        for kind, features in self._stored.kinds.items():
            column: Tensor = getattr(values, kind)
            for place, feature in enumerate(features):
                if feature.side != "item":
                    getattr(self, f"_with_{kind}")(column[0], place, feature.name, given)
        return values, given

    def _with_context(self, row: Tensor, place: int, name: str, given: dict[str, Given]) -> None:
        row[place] = value = self._ids(self._package.sizes.context[place], 1)[self._draw.integers(2)]
        given[name] = self._name(f"context-{place}", value)

    def _with_numbers(self, row: Tensor, place: int, name: str, given: dict[str, Given]) -> None:
        if self._draw.integers(2):  # otherwise it is what the package has
            assert self._scale.mean is not None
            assert self._scale.std is not None
            row[place] = self._scale.mean[place] + self._scale.std[place] * self._draw.normal()
            given[name] = float(row[place])

    def _with_lists(self, row: Tensor, place: int, name: str, given: dict[str, Given]) -> None:
        ids = self._ids(self._package.sizes.lists[place].values, int(self._draw.integers(LISTED)))
        row[place] = F.pad(torch.tensor(ids), (0, row.shape[-1] - len(ids)), value=-1)
        given[name] = [self._name(f"list-{place}", value) for value in ids]

    def _of_side(self, side: str, most: int) -> list[int]:
        """Distinct users or items that have a name, at most so many, and after them -1, which is unknown."""
        named = np.flatnonzero(self._package.has_name(side))
        return [*named[self._ids(len(named), most)[:-1]].tolist(), -1]

    def _ids(self, count: int, most: int) -> list[int]:
        """Distinct ids, at most so many, and after them -1, which is unknown."""
        return [*(int(number) for number in self._draw.choice(count, min(count, most), replace=False)), -1]

    def _name(self, kind: str, number: int) -> Any:
        """The name of an id; of -1, one that the package does not have."""
        ids = self._package.ids(kind)
        return ids.name(number) if number >= 0 else unknown_name(ids)


def unknown_name(ids: Any) -> Any:
    """A name that nobody has."""
    number = -1
    while ids.find([str(number) if ids.strings else number])[0] >= 0:
        number -= 1
    return str(number) if ids.strings else number
