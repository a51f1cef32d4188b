"""What a serving package is made of, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from asmg_pl.data.sizes import Sizes
from asmg_pl.serving.arrays import Rows
from asmg_pl.serving.headed import HeadNumbers
from asmg_pl.serving.ids import Name


class Lists(NamedTuple):
    """A list of items for each user, all in one array.

    Attributes:
        items: int32 [n], the lists one after the other.
        offsets: int64 [users + 1]; the list of user u is ``items[offsets[u] : offsets[u + 1]]``.
    """

    items: np.ndarray
    offsets: np.ndarray

    def of(self, user: int) -> np.ndarray:
        """The list of one user, int32."""
        return self.items[int(self.offsets[user]) : int(self.offsets[user + 1])]


@dataclass(frozen=True)
class Contents:
    """All that a serving package is made of. Every array has the users, items and values that are known, no other.

    Attributes:
        recommender: the class of all models and its arguments, see :func:`~asmg_pl.serving.classes.described`.
        sizes: numbers of users, items, categories and values of context features that are known.
        models: for each model by name, its parameters and buffers as in ``state_dict``. Tables have at least the known
            rows; further ones are left out. Tables of ids that come and go have the rows of ``tenants``.
        names: the names by id of ``"user"``, ``"item"``, with categories ``"category"``, ``"context-0"`` and so on, and
            ``"list-0"`` and so on.
        history: each user's latest items, the latest first, at most ``history_size``.
        seen: the items that each user has, distinct and in ascending order.
        popularity: how popular each item is, float32 [items].
        history_size: the longest history, T.
        context: the names of the context features.
        features: the latest values of the features of users and items, as ``"user/context"`` and ``"item/context"``,
            int32 [known, f], ``"…/numbers"``, float32 [known, m], and ``"…/lists"``, int32 [known, f, L]. The columns
            are the side's features alone; -1 and NaN stand for unknown values.
        catalogue: the categories of each item, int32 [items, C] padded with -1; ``None`` without categories.
        head: the head's numbers; ``None`` without a head.
        tenants: for ``"user"`` and ``"item"``, if such ids come and go, those that have a row of their own, ascending,
            int32 [m]. Tables have their rows alone, in this order, and a package has their names alone. All other ids
            share the row of an unknown one.
        choice: what the guard has chosen, ``served`` and ``why``; ``None`` without a guard.
        provenance: what the package was made of, as plain values.

    Examples:
        A package of a model with its initial numbers, two users and three items:

        >>> from tempfile import TemporaryDirectory
        >>> from asmg_pl.recommenders import MatrixFactorization
        >>> from asmg_pl.serving import open_package, write
        >>> from asmg_pl.serving.classes import described
        >>> model = MatrixFactorization(Sizes(users=2, items=3))
        >>> nothing = Lists(np.zeros(0, np.int32), np.zeros(3, np.int64))
        >>> contents = Contents(
        ...     recommender=described(model),
        ...     sizes=Sizes(users=2, items=3),
        ...     models={"serving": model.state_dict()},
        ...     names={"user": ["ann", "bob"], "item": [10, 20, 30]},
        ...     history=nothing,
        ...     seen=nothing,
        ...     popularity=np.ones(3, np.float32),
        ...     history_size=5,
        ... )
        >>> with TemporaryDirectory() as folder:
        ...     write(contents, folder + "/package")
        ...     open_package(folder + "/package").ids("item").find([30, 99]).tolist()
        [2, -1]
    """

    recommender: Mapping[str, Any]
    sizes: Sizes
    models: Mapping[str, Mapping[str, Tensor | Rows]]
    names: Mapping[str, Sequence[Name] | np.ndarray]
    history: Lists
    seen: Lists
    popularity: np.ndarray
    history_size: int
    context: tuple[str, ...] = ()
    features: Mapping[str, np.ndarray] = field(default_factory=dict)
    catalogue: np.ndarray | None = None
    head: HeadNumbers | None = None
    tenants: Mapping[str, np.ndarray] = field(default_factory=dict)
    choice: Mapping[str, str] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)


def in_rows(sizes: Sizes, tenants: Mapping[str, np.ndarray]) -> Sizes:
    """The sizes in rows of tables, of which the ids that come and go have fewer.

    Args:
        sizes: in ids.
        tenants: see :class:`Contents`.

    Examples:
        >>> in_rows(Sizes(users=5, items=9), {"item": np.array([0, 8], np.int32)})[:2]
        (5, 2)
    """
    users, items = (
        len(tenants[kind]) if kind in tenants else count
        for kind, count in (("user", sizes.users), ("item", sizes.items))
    )
    return sizes._replace(users=users, items=items)


def kinds(sizes: Sizes) -> dict[str, int]:
    """The kinds of ids of a package, each with the number of its names."""
    found = {"user": sizes.users, "item": sizes.items}
    if sizes.categories:
        found["category"] = sizes.categories
    found |= {f"context-{number}": values for number, values in enumerate(sizes.context)}
    return found | {f"list-{number}": feature.values for number, feature in enumerate(sizes.lists)}
