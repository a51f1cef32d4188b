"""Where a row of a table starts when its user, item or category appears: at the mean of rows that were there before.

table "item"           0  1  2  3 │ 4  5           the rows 4 and 5 appear with period t
MeanOfTable            mean of 0 … 3               the same for both
MeanOfCategories       mean over the row's categories of the mean of their items among 0 … 3

Only rows that appeared before the period take part, with the numbers that the base model gives them when the period
arrives. So the period can be scored with the new rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
import torch.distributed as dist
from torch import Tensor

from asmg_pl.generators.table_entries import histories_in, models_in
from asmg_pl.recommenders import Recommender
from asmg_pl.updaters.walking.walker import Walker


class NewRows(ABC):
    """A rule by which rows start when they appear.

    Examples:
        >>> class AtZero(NewRows):
        ...     def start(self, recommender, name, begin, end, categories):
        ...         return torch.zeros(end - begin, recommender.table(name).shape[1])
        >>> from asmg_pl.data import Sizes
        >>> from asmg_pl.recommenders import MatrixFactorization
        >>> AtZero().start(MatrixFactorization(Sizes(3, 3), embedding_dim=1), "item", 2, 3, None)
        tensor([[0., 0.]])
    """

    @abstractmethod
    def start(
        self, recommender: Recommender, name: str, begin: int, end: int, categories: Tensor | None
    ) -> Tensor | None:
        """The numbers that the rows of a table start from, float [end - begin, D]; ``None`` for their own.

        All processes call it for each table, also for tables of which they have no new row at hand.

        Args:
            recommender: the base model before the period.
            name: the table.
            begin: the place of the first new row at hand; the rows before it were known before.
            end: the place after the last.
            categories: the catalogue that counts for the period, int64 [items, C] padded with -1, or ``None``.
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
        data = walker.data
        categories = data.log.as_of(data.rows_of(period).start).categories if data.categories else None
        for name, (begin, end) in new.items():
            numbers = self.start(recommender, name, begin, end, categories)
            if numbers is None or begin == end:
                continue
            before = recommender.table(name)[begin:end].clone()
            for _, model in models_in(walker):
                rows = model.table(name)[begin:end]
                own = (rows == before).all(1, keepdim=True)
                rows.copy_(torch.where(own, numbers, rows))
            for _, history in histories_in(walker):
                history.tables.get_buffer(name)[:, begin:end] = numbers


class MeanOfTable(NewRows):
    """A row starts at the mean of its table's rows that were known before; the first rows of all, at their own numbers.

    Examples:
        >>> from asmg_pl.data import Sizes
        >>> from asmg_pl.recommenders import MatrixFactorization
        >>> model = MatrixFactorization(Sizes(users=3, items=3), embedding_dim=1)
        >>> _ = model.table("item").data.copy_(torch.tensor([[0.0, 1.0], [2.0, 5.0], [9.0, 9.0]]))
        >>> MeanOfTable().start(model, "item", begin=2, end=3, categories=None)
        tensor([[1., 3.]])
    """

    def start(
        self, recommender: Recommender, name: str, begin: int, end: int, categories: Tensor | None
    ) -> Tensor | None:
        """The mean of the known rows, over all processes that have some of them."""
        mean = mean_of_known(recommender, name, begin)
        return None if mean is None else mean.expand(end - begin, -1)


class MeanOfCategories(NewRows):
    """A row of items starts at the mean over its categories of the mean of their known items.

    A category without a known item is left out. An item without any other category starts at the mean of the table, as
    do rows of users, of categories and of context features. The tables of items are those whose name begins with
    ``item``, and whose row i is that of item i.

    Examples:
        >>> from asmg_pl.data import Sizes
        >>> from asmg_pl.recommenders import MatrixFactorization
        >>> model = MatrixFactorization(Sizes(users=3, items=3), embedding_dim=1)
        >>> _ = model.table("item").data.copy_(torch.tensor([[0.0, 1.0], [2.0, 5.0], [9.0, 9.0]]))
        >>> MeanOfCategories().start(model, "item", begin=2, end=3, categories=torch.tensor([[0], [1], [1]]))
        tensor([[2., 5.]])
    """

    def start(
        self, recommender: Recommender, name: str, begin: int, end: int, categories: Tensor | None
    ) -> Tensor | None:
        """The means of categories for tables of items, and the mean of the table for all others."""
        mean = mean_of_known(recommender, name, begin)
        if mean is None or categories is None or not name.startswith("item"):
            return None if mean is None else mean.expand(end - begin, -1)
        table = recommender.table(name).detach()
        places = torch.arange(end, device=table.device)
        items = recommender.ids_at(name, places)
        of_item = categories.to(table.device)[items.clamp(max=len(categories) - 1)]  # [end, C]
        has = of_item >= 0
        sums = table.new_zeros(int(categories.max()) + 1, table.shape[1] + 1)  # and the number of items
        for column, there in zip(of_item[:begin].unbind(1), has[:begin].unbind(1), strict=True):
            counted = torch.cat([table[:begin], table.new_ones(begin, 1)], dim=1)
            sums.index_add_(0, column[there], counted[there])
        sums = over_owners(recommender, name, sums)
        known = sums[:, -1:].clamp(max=1)  # 1 for categories with a known item
        means = torch.cat([sums[:, :-1] / sums[:, -1:].clamp(min=1), known], dim=1)
        of_row = (means[of_item[begin:].clamp(min=0)] * has[begin:, :, None]).sum(1)  # [n, D + 1]
        return torch.where(of_row[:, -1:] > 0, of_row[:, :-1] / of_row[:, -1:].clamp(min=1), mean)


def mean_of_known(recommender: Recommender, name: str, known: int) -> Tensor | None:
    """The mean of the first ``known`` rows at hand of a table, over all processes that hold some, float [D]."""
    table = recommender.table(name).detach()
    total = over_owners(recommender, name, torch.cat([table[:known].sum(0), table.new_tensor([float(known)])]))
    return total[:-1] / total[-1] if total[-1] else None


def over_owners(recommender: Recommender, name: str, numbers: Tensor) -> Tensor:
    """The sum of numbers over the processes that share the rows of a table; the numbers themselves if none do."""
    if name in recommender.owners:
        dist.all_reduce(numbers)
    return numbers
