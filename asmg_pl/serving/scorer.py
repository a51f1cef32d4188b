"""Answers requests from a serving package: raw names in, scored items out.

    scorer = load("runs/mine/serving")
    scorer.score("ann", [17, 4])                   probabilities of these items
    scorer.recommend("ann", 10)                    the ten best items that she does not have yet

A user's side is computed once for a request. The sides of all items are computed once for a version, when they are
first needed. Nothing of a scorer changes, so that threads may share it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.errors import PackageError, RequestError
from asmg_pl.serving.answers import Scores
from asmg_pl.serving.given import Given
from asmg_pl.serving.ids import Name
from asmg_pl.serving.item_sides import ItemSides
from asmg_pl.serving.package import Package, open_package
from asmg_pl.serving.ranking import best
from asmg_pl.serving.remote import store_at, version_at
from asmg_pl.serving.requests import Asked, Items, Requests, User, for_each, whole_count
from asmg_pl.serving.sided import Known, Side, part, sided
from asmg_pl.serving.values import StoredValues, Values

Context = Mapping[str, Given]


class Scorer:
    """Scores and recommends items from one serving package.

    Attributes:
        package: what answers.
        version: its name.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> from asmg_pl.recommenders import MatrixFactorization
        >>> from asmg_pl.serving.drawn import drawn_contents
        >>> from asmg_pl.serving import load, write
        >>> with TemporaryDirectory() as folder:
        ...     write(drawn_contents(MatrixFactorization), folder + "/package")
        ...     scorer = load(folder + "/package")
        ...     found = scorer.score("user-1", ["item-2", "item-x"])
        >>> len(found), found.unknown.items
        (2, ('item-x',))
    """

    def __init__(self, package: Package) -> None:
        """Map what a package has.

        Args:
            package: the package, open.

        Raises:
            PackageError: if its arrays do not fit its recommender.
        """
        self.package, self.version = package, package.name
        stored = StoredValues.of(package)
        self._requests = Requests(package, stored)
        self._popularity = torch.from_numpy(np.append(package.popularity, np.float32(-1)))  # of unknown items, the last
        self._catalogue = None if package.catalogue is None else package.catalogue.long()
        self._model = sided(package.served(), Known(package.sizes, self._catalogue, stored.of_items))
        self._sides = ItemSides(self._model, package.sizes.items)

    # ---- one user

    def score(self, user: Name, items: Items, history: Items | None = None, context: Context | None = None) -> Scores:
        """Score items for a user, in the order in which they are given. An item may be given more than once.

        Args:
            user: the user's name. An unknown one is scored as a new user.
            items: names of items. Unknown ones are scored as new items.
            history: names of the user's latest items, the latest first, in place of those that the package has.
            context: values of features of the row and of the user by name: a category, a number, or a list. What is
                missing is what the package has of the user; of a feature of the row it is unknown, and scored so.

        Returns:
            The items with their scores, and what was unknown.

        Raises:
            RequestError: if there is no item, a name is neither an integer nor a string, a value is of another kind
                than its feature, or the package has no such feature of rows or users.
        """
        return self.score_users([user], [items], [history], [context])[0]

    def recommend(
        self,
        user: Name,
        k: int,
        candidates: Items | None = None,
        exclude_seen: bool = True,
        history: Items | None = None,
        context: Context | None = None,
    ) -> Scores:
        """Recommend the best items to a user.

        A user who is unknown, and of whom no known item is given as history, gets the most popular items, the most
        popular first, with the scores of a new user.

        Args:
            user: the user's name.
            k: how many items are wanted. There are fewer if no more are left.
            candidates: names of the items to choose from; by default all items of the package that have a row of their
                own. One that is given more than once counts once.
            exclude_seen: whether items that the user has, or that the given history names, are left out.
            history: names of the user's latest items, the latest first, in place of those that the package has.
            context: values of features of the row and of the user by name: a category, a number, or a list. What is
                missing is what the package has of the user; of a feature of the row it is unknown, and scored so.

        Returns:
            The items, the best first; of equally good ones, the one that is named first or appeared first.

        Raises:
            RequestError: if ``k`` is below 1, there is no candidate, a name is neither an integer nor a string, or the
                package has no such context feature.
        """
        lists = None if candidates is None else [candidates]
        return self.recommend_users([user], k, lists, exclude_seen, [history], [context])[0]

    # ---- several users

    def score_users(
        self,
        users: Sequence[Name],
        items_of_each: Sequence[Items],
        histories: Sequence[Items | None] | None = None,
        contexts: Sequence[Context | None] | None = None,
    ) -> list[Scores]:
        """Score items for several users; see :meth:`score`.

        Args:
            users: names of users.
            items_of_each: for each of them, names of items.
            histories: for each of them, a history or ``None``.
            contexts: for each of them, context features or ``None``.

        Raises:
            RequestError: if the lists differ in length, or one of the requests is not usable.
        """
        found = self._users(users, histories, contexts)
        asked = [self._asked(items, "items") for items in for_each(users, items_of_each, "items_of_each")]
        with torch.inference_mode():
            sides = self._user_sides(found)
            return [self._score(*each) for each in zip(found, sides, asked, strict=True)]

    def recommend_users(
        self,
        users: Sequence[Name],
        k: int,
        candidates_of_each: Sequence[Items | None] | None = None,
        exclude_seen: bool = True,
        histories: Sequence[Items | None] | None = None,
        contexts: Sequence[Context | None] | None = None,
    ) -> list[Scores]:
        """Recommend the best items to several users; see :meth:`recommend`.

        Args:
            users: names of users.
            k: how many items each of them gets.
            candidates_of_each: for each of them, names of the items to choose from, or ``None`` for all items.
            exclude_seen: whether items that the user has, or that the given history names, are left out.
            histories: for each of them, a history or ``None``.
            contexts: for each of them, context features or ``None``.

        Raises:
            RequestError: if the lists differ in length, or one of the requests is not usable.
        """
        count = whole_count(k)
        found = self._users(users, histories, contexts)
        chosen = [
            None if names is None else self._asked(names, "candidates").distinct()
            for names in for_each(users, candidates_of_each, "candidates_of_each")
        ]
        with torch.inference_mode():
            sides = self._user_sides(found)
            return [self._recommend(*each, count, exclude_seen) for each in zip(found, sides, chosen, strict=True)]

    def prepare(self) -> None:
        """Compute the sides of all items, and look up the names of the most popular ones, before there are requests.

        Every later request is answered sooner. Memory is taken for the sides, 20 numbers an item by default, and for
        65,536 names at most. Otherwise the first recommendation from all items computes the sides.
        """
        self._sides.every()
        self._requests.expect(self._popularity[:-1])

    # ---- what they share

    def _users(self, names: Sequence[Name], histories: Any, contexts: Any) -> list[User]:
        if isinstance(names, str) or not isinstance(names, Sequence | np.ndarray):
            raise RequestError(f"users is {names!r:.60}: give a list of integers or strings")
        of_each = for_each(names, histories, "histories"), for_each(names, contexts, "contexts")
        return [self._requests.user(*each) for each in zip(names, *of_each, strict=True)]

    def _asked(self, names: Items, what: str) -> Asked:
        asked = self._requests.items_named(names, what)
        if not len(asked.ids):
            raise RequestError(f"{what} is empty: give at least one item")
        return asked

    def _user_sides(self, users: list[User]) -> list[Side]:
        """The side of each user, computed together."""
        if not users:
            return []
        count, longest = len(users), self.package.manifest.history_size
        history = np.zeros((count, longest), np.int64)
        for row, user in zip(history, users, strict=True):
            row[: len(user.history)] = user.history
        ids = torch.from_numpy(np.array([user.id for user in users], np.int64))
        length = torch.from_numpy(np.array([len(user.history) for user in users], np.int64))
        rows = Batch(
            user=ids,
            item=torch.zeros_like(ids),
            history=torch.from_numpy(history),
            history_length=length,
            label=torch.zeros(count),
            categories=self._catalogue,
            **Values.joined([user.values for user in users])._asdict(),
        )
        side = self._model.user_side(rows)
        return [part(side, slice(number, number + 1)) for number in range(count)]

    def _score(self, user: User, side: Side, asked: Asked) -> Scores:
        logits = self._logits(side, torch.from_numpy(asked.ids))
        return self._answer(user, asked.names, logits, asked.unknown)

    def _recommend(self, user: User, side: Side, chosen: Asked | None, count: int, exclude_seen: bool) -> Scores:
        names = self._requests.items.names if chosen is None else chosen.named
        if chosen is None:
            allowed = self._requests.offered.clone()
            if exclude_seen:
                allowed[torch.from_numpy(user.seen).long()] = False
        elif exclude_seen:
            allowed = torch.from_numpy(chosen.without(user.seen, user.unknown.history))
        else:
            allowed = torch.ones(len(chosen.ids), dtype=torch.bool)
        ids = None if chosen is None else torch.from_numpy(chosen.ids)
        popular = user.unknown.user and not len(user.history)
        if popular:
            values = self._popularity[:-1] if ids is None else self._popularity[ids]
        else:
            values = self._logits(side, ids)
        places = best(values.masked_fill(~allowed, -torch.inf), min(count, int(allowed.sum())))
        logits = self._logits(side, places if ids is None else ids[places]) if popular else values[places]
        unknown = self._requests.sharing(places.numpy()) if chosen is None else chosen.unknown
        return self._answer(user, names(places.tolist()), logits, unknown, "popularity" if popular else "score")

    def _logits(self, side: Side, items: Tensor | None) -> Tensor:
        """The logits [n] that a user gives items, int64 [n], or all items.

        Raises:
            PackageError: if one is not finite.
        """
        if items is not None:
            logits = self._model.join(side, self._sides.of(items))
        else:
            logits = torch.cat([self._model.join(side, chunk) for chunk in self._sides.in_chunks()])
        if not bool(logits.isfinite().all()):
            raise PackageError(
                f"{self.package.folder} gives scores that are not finite: go back to another version (asmg rollback)"
            )
        return logits

    def _answer(
        self, user: User, names: list[Name], logits: Tensor, unknown: tuple[Name, ...], by: str = "score"
    ) -> Scores:
        scores, given = logits.sigmoid().numpy(), logits.numpy()
        return Scores(names, scores, given, replace(user.unknown, items=unknown), by, self.version)


def load(folder: str | Path, allow: Collection[str] = (), verify: bool = False) -> Scorer:
    """Load what answers requests. Its arrays are mapped, and read when they are needed.

    Args:
        folder: a run or a store, of which the version that serves is loaded, or one serving package; or the address of
            one, such as s3://bucket/runs/shop.
        allow: paths of recommender classes that may be imported, beside those of :mod:`asmg_pl.recommenders`; one that
            ends with a dot allows all classes whose path begins with it.
        verify: whether every file is read in full, also one that nobody has changed since it was checked.

    Raises:
        PackageError: if there is no package, it is damaged, or its recommender's class is not allowed.
    """
    version = version_at(folder)
    return Scorer(open_package(store_at(folder).path() if version is None else version, allow, verify))
