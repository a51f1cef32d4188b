"""Where rows start when they appear, and what they must not know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from asmg_pl.data import Sizes
from asmg_pl.recommenders import MatrixFactorization
from asmg_pl.updaters import ASMG, SML, IncrementalUpdate, MeanOfCategories, MeanOfTable, NewRows, SomeRows, Updater

Walk = Callable[..., Updater]


def some(begin: int, end: int, categories: Tensor | None = None) -> SomeRows:
    """The rows from one place to another, with their categories."""
    return SomeRows(torch.arange(begin, end), None if categories is None else categories[begin:end])


def numbered(rows: list[float]) -> MatrixFactorization:
    """A model whose items have these numbers in both columns."""
    model = MatrixFactorization(Sizes(users=3, items=len(rows)), embedding_dim=1)
    model.table("item").data.copy_(torch.tensor(rows)[:, None].expand(-1, 2))
    return model


def test_a_row_starts_at_the_mean_of_its_table() -> None:
    found = MeanOfTable().start(numbered([1, 3, 8, 50, 50]), "item", some(3, 5), some(0, 3))
    assert found is not None
    assert found.tolist() == [[4, 4], [4, 4]]


def test_a_row_starts_at_the_mean_of_the_means_of_its_categories() -> None:
    model = numbered([1, 3, 8, 50, 50, 50, 50])
    categories = torch.tensor([[0, -1], [0, 1], [2, -1], [0, 1], [2, 3], [3, -1], [-1, -1]])
    found = MeanOfCategories().start(model, "item", some(3, 7, categories), some(0, 3, categories))
    assert found is not None
    # Category 0 has items of 1 and 3, category 1 has 3, category 2 has 8, and category 3 has no item yet.
    assert found[:, 0].tolist() == [2.5, 8, 4, 4]
    users = MeanOfCategories().start(model, "user", some(2, 3), some(0, 2))
    assert users is not None
    torch.testing.assert_close(users[0], model.table("user")[:2].mean(0))
    without = MeanOfCategories().start(model, "item", some(3, 7), some(0, 3))
    assert without is not None
    assert without[:, 0].tolist() == [4, 4, 4, 4]


@pytest.mark.parametrize("rule", [MeanOfTable(), MeanOfCategories()])
def test_where_no_row_was_before_rows_keep_their_own_numbers(rule: NewRows) -> None:
    categories = torch.tensor([[0], [0]])
    assert rule.start(numbered([1, 3]), "item", some(0, 2, categories), some(0, 0, categories)) is None


class Watched(ASMG):
    """Notes each model's and snapshot's new rows as a period is scored, and the mean of the rows before them."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.seen: dict[str, int] = {}

    def welcome(self, new: Mapping[str, tuple[int, int]]) -> None:
        for name, (begin, end) in new.items():
            if begin == end:
                continue
            rows: list[Tensor] = [self.recommender.table(name)[begin:end]]
            rows += list(self.history.tables.get_buffer(name)[:, begin:end])
            rows += [self.generated.table(name)[begin:end]]
            mean = self.recommender.table(name)[:begin].mean(0).expand(end - begin, -1)
            for each in rows:
                torch.testing.assert_close(each.detach(), mean.detach())
            self.seen[name] = self.seen.get(name, 0) + end - begin
        super().welcome(new)


def test_the_base_model_all_snapshots_and_the_serving_model_start_alike(short_walk: Walk) -> None:
    updater = short_walk(Watched, window=2, new_rows=MeanOfTable(), compile_generator=False)
    assert isinstance(updater, Watched)
    assert updater.seen


@pytest.mark.parametrize("method", [IncrementalUpdate, SML])
def test_scores_change_where_rows_are_new_and_pre_training_stays(short_walk: Walk, method: type[Updater]) -> None:
    plain, means = short_walk(method), short_walk(method, new_rows=MeanOfTable())
    first = min(period for period, result in plain.results.items() if result.new_user_rows + result.new_item_rows)
    for period, result in plain.results.items():
        assert (repr(result) == repr(means.results[period])) == (period < first), period
