"""The features that a request gives by name, with ids in place of names; the package may know those it leaves out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from numbers import Real
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from asmg_pl.errors import RequestError
from asmg_pl.serving.ids import Ids, Name, check_name
from asmg_pl.serving.package import Package
from asmg_pl.serving.values import StoredValues, Values

#: What a request gives of a feature: a category's name, a number, or names of a list; ``None`` for an unknown value.
Given = Name | float | Sequence[Name] | None


class GivenFeatures:
    """Finds the values of a row's features: those that are given, then those that the package has of the user."""

    def __init__(self, package: Package, stored: StoredValues) -> None:
        """Map the names of values.

        Args:
            package: whose names count.
            stored: what the package has of its users.
        """
        self._stored = stored
        self._place = {
            feature.name: (kind, place)
            for kind, features in stored.kinds.items()
            for place, feature in enumerate(features)
        }
        self._of_items = {each.name for features in stored.kinds.values() for each in features if each.side == "item"}
        files = {"context": "context", "lists": "list"}
        self._ids: dict[str, Ids] = {
            name: package.ids(f"{files[kind]}-{place}") for name, (kind, place) in self._place.items() if kind in files
        }

    def of(self, user: int, given: Mapping[str, Given] | None) -> tuple[Values, tuple[str, ...]]:
        """The features of one row.

        Args:
            user: the user's id; that after the known ones for an unknown user.
            given: values by name. One that is left out, or ``None``, is the user's own or unknown.

        Returns:
            The row, and the names of the features whose value is not known.

        Raises:
            RequestError: if a name is no feature of the row or of its user, or a value is of another kind.
        """
        given = {} if given is None else given
        if not isinstance(given, Mapping):
            raise RequestError(f"context is a {type(given).__name__}: give a value for each name, {{name: value}}")
        asked = [name for name in self._place if name not in self._of_items]
        if strange := [name for name in given if name not in asked]:
            if strange[0] in self._of_items:
                raise RequestError(
                    f"context names {strange[0]!r:.60}, which is a feature of the items, whose values the package has: "
                    "leave it out"
                )
            there = f"it has {', '.join(asked)}" if asked else "it has none: leave context out"
            raise RequestError(f"context names {strange[0]!r:.60}, which is no context feature of the package: {there}")
        values, lacking = self._stored.of_user(user), []
        for name in asked:
            kind, place = self._place[name]
            if (value := given.get(name)) is not None:
                values = getattr(self, f"_with_{kind}")(values, name, place, value)
            if not self._known(values, kind, name, place, value):
                lacking.append(name)
        return values, tuple(lacking)

    def _with_context(self, values: Values, name: str, place: int, value: Any) -> Values:
        assert values.context is not None
        check_name(value, f"context.{name}")
        number = self._ids[name].find_one(value)
        values.context[0, place] = number if number >= 0 else len(self._ids[name])
        return values

    def _with_numbers(self, values: Values, name: str, place: int, value: Any) -> Values:
        assert values.numbers is not None
        if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(value):
            raise RequestError(f"context.{name} is {value!r:.60}: give a finite number, or None if it is missing")
        values.numbers[0, place] = float(value)
        return values

    def _with_lists(self, values: Values, name: str, place: int, value: Any) -> Values:
        assert values.lists is not None
        if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
            raise RequestError(f"context.{name} is {value!r:.60}: give a list of names")
        for each in value:
            check_name(each, f"an entry of context.{name}")
        found = self._ids[name].find(value) if len(value) else np.zeros(0, np.int64)
        ids = torch.from_numpy(found[found >= 0])  # a list is a mean, to which unknown values add nothing
        lists: Tensor = F.pad(values.lists, (0, max(0, len(ids) - values.lists.shape[-1])), value=-1)
        lists[0, place] = F.pad(ids, (0, lists.shape[-1] - len(ids)), value=-1)
        return values._replace(lists=lists)

    def _known(self, values: Values, kind: str, name: str, place: int, given: Any) -> bool:
        if kind == "context":
            assert values.context is not None
            return int(values.context[0, place]) < len(self._ids[name])
        if kind == "numbers":
            assert values.numbers is not None
            return not bool(values.numbers[0, place].isnan())
        assert values.lists is not None
        count = int((values.lists[0, place] >= 0).sum())
        return count == len(given) if given is not None else count > 0
