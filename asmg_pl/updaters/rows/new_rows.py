"""Where a row of a table starts when its user, item or category appears: at the mean of rows that were there before.

table "item"           0  1  2  3 │ 4  5           the rows 4 and 5 appear with period t
MeanOfTable            mean of 0 … 3               the same for both
MeanOfCategories       mean over the row's categories of the mean of their items among 0 … 3

Only rows that appeared before the period take part, with the numbers that the base model gives them when the period
arrives. So the period can be scored with the new rows. Rows of users and items that come and go start so when they are
given to an id, which is after the period was scored; then the rows in use before the period take part.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from asmg_pl.data.datamodule import PeriodDataModule
from asmg_pl.generators.table_entries import histories_in, models_in
from asmg_pl.recommenders import Recommender
from asmg_pl.updaters.walking.walker import Walker

#: Rows that are added up at a time.
CHUNK = 2**20


class SomeRows(NamedTuple):
    """Some of the rows at hand of a table.

    Attributes:
        places: of the rows, int64 [n].
        categories: of the rows' items, int64 [n, C] padded with -1; ``None`` without categories, and in other tables
            than those of items, whose name begins with ``item``.

    Examples:
        >>> SomeRows(torch.tensor([4, 5])).categories is None
        True
    """

    places: Tensor
    categories: Tensor | None = None


class NewRows(ABC):
    """A rule by which rows start when they appear.

    Examples:
        >>> class AtZero(NewRows):
        ...     def start(self, recommender, name, new, known):
        ...         return torch.zeros(len(new.places), recommender.table(name).shape[1])
        >>> from asmg_pl.data import Sizes
        >>> from asmg_pl.recommenders import MatrixFactorization
        >>> model, places = MatrixFactorization(Sizes(3, 3), embedding_dim=1), torch.arange(3)
        >>> AtZero().start(model, "item", SomeRows(places[2:]), SomeRows(places[:2]))
        tensor([[0., 0.]])
    """

    @abstractmethod
    def start(self, recommender: Recommender, name: str, new: SomeRows, known: SomeRows) -> Tensor | None:
        """The numbers that the rows of a table start from, float [n, D]; ``None`` for their own, or the shared row's.

        All processes call it for each table, also for tables of which they have no new row at hand, and all of them
        must find numbers, or none of them.

        Args:
            recommender: the base model before the period's updates.
            name: the table.
            new: the n rows at hand that start, with the categories that count for the period.
            known: the rows at hand that were there before, likewise. A row that is given on is among them as it was.
        """

    @torch.no_grad()
    def settle(self, walker: Walker, recommender: Recommender, period: int, new: Mapping[str, tuple[int, int]]) -> None:
        """Let the rows that appear with a period start in the base model, in its copies and in all snapshots.

        A copy in which a row does not have the base model's initial numbers has made something else of it, and keeps
        that.

        Args:
            walker: the updater.
            recommender: its base model.
            period: the period that has arrived.
            new: by table, the place of the first row at hand that appears, and the place after the last.
        """
        categories = _catalogue(walker.data, period)
        come_and_go = {name for kind in walker.data.tenants for name in recommender.tables_of(kind)}
        for name, (begin, end) in new.items():
            if name in come_and_go:
                continue
            places = torch.arange(end, device=recommender.table(name).device)
            ids = recommender.ids_at(name, places)
            known, appearing = (
                _with_categories(name, places[rows], categories, ids[rows])
                for rows in (slice(begin), slice(begin, end))
            )
            numbers = self.start(recommender, name, appearing, known)
            if numbers is None or begin == end:
                continue
            before = recommender.table(name)[begin:end].clone()
            for _, model in models_in(walker):
                there = model.table(name)[begin:end]
                own = (there == before).all(1, keepdim=True)
                there.copy_(torch.where(own, numbers, there))
            for _, history in histories_in(walker):
                history.tables.get_buffer(name)[:, begin:end] = numbers


class MeanOfTable(NewRows):
    """A row starts at the mean of its table's rows that were known before; the first rows of all, at their own numbers.

    Examples:
        >>> from asmg_pl.data import Sizes
        >>> from asmg_pl.recommenders import MatrixFactorization
        >>> model = MatrixFactorization(Sizes(users=3, items=3), embedding_dim=1)
        >>> _ = model.table("item").data.copy_(torch.tensor([[0.0, 1.0], [2.0, 5.0], [9.0, 9.0]]))
        >>> MeanOfTable().start(model, "item", new=SomeRows(torch.tensor([2])), known=SomeRows(torch.tensor([0, 1])))
        tensor([[1., 3.]])
    """

    def start(self, recommender: Recommender, name: str, new: SomeRows, known: SomeRows) -> Tensor | None:
        """The mean of the known rows, over all processes that have some of them."""
        mean = mean_of_known(recommender, name, known.places)
        return None if mean is None else mean.expand(len(new.places), -1)


class MeanOfCategories(NewRows):
    """A row of items starts at the mean over its categories of the mean of their known items.

    A category without a known item is left out. An item without any other category starts at the mean of the table, as
    do rows of users, of categories and of context features.

    Examples:
        >>> from asmg_pl.data import Sizes
        >>> from asmg_pl.recommenders import MatrixFactorization
        >>> model = MatrixFactorization(Sizes(users=3, items=3), embedding_dim=1)
        >>> _ = model.table("item").data.copy_(torch.tensor([[0.0, 1.0], [2.0, 5.0], [9.0, 9.0]]))
        >>> categories = torch.tensor([[0], [1], [1]])
        >>> new, known = (SomeRows(torch.tensor(rows), categories[rows]) for rows in ([2], [0, 1]))
        >>> MeanOfCategories().start(model, "item", new, known)
        tensor([[2., 5.]])
    """

    def start(self, recommender: Recommender, name: str, new: SomeRows, known: SomeRows) -> Tensor | None:
        """The means of categories for tables of items, and the mean of the table for all others."""
        mean = mean_of_known(recommender, name, known.places)
        if mean is None or new.categories is None or known.categories is None:
            return None if mean is None else mean.expand(len(new.places), -1)
        table = recommender.table(name).detach()
        highest = torch.cat([new.categories.flatten(), known.categories.flatten(), table.new_zeros(1).long()]).max()
        if name in recommender.owners:
            dist.all_reduce(highest, dist.ReduceOp.MAX)
        sums = table.new_zeros(int(highest) + 1, table.shape[1] + 1)  # and the number of items
        counted = torch.cat([table[known.places], table.new_ones(len(known.places), 1)], dim=1)
        for column in known.categories.unbind(1):
            sums.index_add_(0, column[column >= 0], counted[column >= 0])
        sums = over_owners(recommender, name, sums)
        has_items = sums[:, -1:].clamp(max=1)  # 1 for categories with a known item
        means = torch.cat([sums[:, :-1] / sums[:, -1:].clamp(min=1), has_items], dim=1)
        has = new.categories >= 0
        of_row = (means[new.categories.clamp(min=0)] * has[:, :, None]).sum(1)  # [n, D + 1]
        return torch.where(of_row[:, -1:] > 0, of_row[:, :-1] / of_row[:, -1:].clamp(min=1), mean)


@torch.no_grad()
def starts(rule: NewRows | None, recommender: Recommender, data: PeriodDataModule, period: int) -> dict[str, Tensor]:
    """Where the rows start that users and items who come and go get with a period, float [n, D] by table.

    Args:
        rule: of the start.
        recommender: the base model, which the period has not updated.
        data: the stream.
        period: the period, which has been scored.

    Returns:
        The numbers of the rows at hand, in the order of :meth:`~asmg_pl.data.lifetimes.Tenants.begun`; no entry of a
        table whose rows start as the shared one.
    """
    found: dict[str, Tensor] = {}
    if rule is None:
        return found
    categories = _catalogue(data, period)
    for kind, tenants in data.tenants.items():
        before, now = tenants.rows_at(period - 1), tenants.rows_at(period)
        for name in recommender.tables_of(kind):
            device = recommender.table(name).device
            known, new = (
                _of_tenants(recommender, name, rows.to(device), row_of.to(device), categories)
                for rows, row_of in ((before[before > 0].long(), before), (tenants.begun(period), now))
            )
            if (numbers := rule.start(recommender, name, new, known)) is not None:
                found[name] = numbers
    return found


def _of_tenants(
    recommender: Recommender, name: str, rows: Tensor, row_of: Tensor, categories: Tensor | None
) -> SomeRows:
    """Those of some rows that are at hand, with the categories of the items that have them.

    Args:
        recommender: the base model.
        name: the table.
        rows: row numbers, int64 [n].
        row_of: the row of each id, int32 [ids + 1].
        categories: the catalogue.
    """
    places = recommender.places_of(name, rows)
    tenant = torch.zeros(int(row_of.max()) + 1, dtype=torch.int64, device=row_of.device)
    tenant[row_of.long()] = torch.arange(len(row_of), device=row_of.device)
    return _with_categories(name, places, categories, tenant[recommender.ids_at(name, places)])


def _with_categories(name: str, places: Tensor, categories: Tensor | None, items: Tensor) -> SomeRows:
    """Rows with the categories of their items, int64 [n], of a catalogue, int64 [items, C]."""
    if categories is None or not name.startswith("item"):
        return SomeRows(places)
    return SomeRows(places, categories.to(places.device)[items.clamp(max=len(categories) - 1)])


def _catalogue(data: PeriodDataModule, period: int) -> Tensor | None:
    """The catalogue that counts for a period, int64 [items, C] padded with -1."""
    return data.log.as_of(data.rows_of(period).start).categories if data.categories else None


def mean_of_known(recommender: Recommender, name: str, known: Tensor) -> Tensor | None:
    """The mean of some rows at hand of a table, int64 [m], over all processes that hold some, float [D]."""
    table = recommender.table(name).detach()
    total = table.new_zeros(table.shape[1])
    for places in known.split(CHUNK):
        total += table[places].sum(0)
    total = over_owners(recommender, name, torch.cat([total, table.new_tensor([float(len(known))])]))
    return total[:-1] / total[-1] if total[-1] else None


def over_owners(recommender: Recommender, name: str, numbers: Tensor) -> Tensor:
    """The sum of numbers over the processes that share the rows of a table; the numbers themselves if none do."""
    if name in recommender.owners:
        dist.all_reduce(numbers)
    return numbers
