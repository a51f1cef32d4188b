"""Distinct ids by marks are those by sorting."""

from __future__ import annotations

import pytest
import torch

from asmg_pl.recommenders.kernels import distinct
from asmg_pl.recommenders.touched import touched_rows
from asmg_pl.system.compiled import cpp_compiler

needs_compiler = pytest.mark.skipif(cpp_compiler() is None, reason="needs a C++ compiler")


@needs_compiler
@pytest.mark.parametrize("table_rows", [1, 63, 64, 65, 5000])
def test_distinct_ids_and_their_places_are_those_of_sorting(table_rows: int) -> None:
    ids = torch.randint(table_rows, (40, 7), generator=torch.Generator().manual_seed(table_rows))
    assert distinct.computes(ids, table_rows)
    asked = [(ids, table_rows), (ids[:, 2:4].int(), table_rows + 200), (ids, table_rows)]
    found = distinct.distinct(asked)
    assert found is not None
    for (of_table, _), ours in zip(asked, found, strict=True):
        for one, sorted_ in zip(ours, of_table.long().unique(return_inverse=True), strict=True):
            assert torch.equal(one, sorted_)


@needs_compiler
@pytest.mark.parametrize("table_rows", [100_000, 2**22 + 1, distinct.MOST_ROWS - 1])
def test_few_ids_of_a_table_with_very_many_rows_are_those_of_sorting(table_rows: int) -> None:
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(table_rows - 50, table_rows, (40, 3), generator=draw)
    ids[:, 1] = torch.randint(table_rows, (40,), generator=draw)
    of_one = ids[:, 2]  # numbers that are apart
    found = distinct.distinct([(ids, table_rows), (of_one, table_rows), (ids[:0], table_rows), (of_one, table_rows)])
    assert found is not None
    for asked, ours in zip([ids, of_one, ids[:0], of_one], found, strict=True):
        for one, sorted_ in zip(ours, asked.unique(return_inverse=True), strict=True):
            assert torch.equal(one, sorted_)
    assert not distinct.computes(ids, distinct.MOST_ROWS)


@needs_compiler
@pytest.mark.parametrize("table_rows", [9, 5000])
@pytest.mark.parametrize("wrong", [-1, 5000])
def test_an_id_without_a_row_is_told(table_rows: int, wrong: int) -> None:
    assert distinct.distinct([(torch.tensor([3, 8]), 9), (torch.tensor([3, wrong]), table_rows)]) is None


def test_an_id_beyond_the_rows_that_are_known_is_found_all_the_same() -> None:
    touched, (places,) = touched_rows([torch.tensor([7, 2, 7])], 5)
    assert touched.tolist() == [2, 7]
    assert places.tolist() == [1, 0, 1]


def test_without_a_compiler_ids_are_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = torch.tensor([4, 2, 4, 9])
    with_it = touched_rows([ids], 20)
    monkeypatch.setattr(distinct, "_native", lambda: None)
    without = touched_rows([ids], 20)
    assert torch.equal(with_it[0], without[0])
    assert torch.equal(with_it[1][0], without[1][0])
