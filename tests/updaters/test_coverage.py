"""Rows that cover ids: the greedy choice, one row at a time, against the one that takes many."""

from __future__ import annotations

import pytest
import torch

from asmg_pl.updaters.coverage import cover


def one_by_one(ids: list[list[int]], worth: list[list[float]], budget: int) -> list[int]:
    covered: list[set[int]] = [set() for _ in ids]
    taken: list[int] = []
    while len(taken) < budget:
        values = {
            row: sum(w[row] for kind, w, done in zip(ids, worth, covered, strict=True) if kind[row] not in done)
            for row in range(len(ids[0]))
            if row not in taken
        }
        best = max(values, key=lambda row: (values[row], row), default=-1)
        if best < 0 or not values[best]:
            break
        taken.append(best)
        for kind, done in zip(ids, covered, strict=True):
            done.add(kind[best])
    return sorted(taken)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("budget", [0, 3, 10, 100])
def test_many_at_a_time_are_those_that_are_taken_one_by_one(seed: int, budget: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    ids = [torch.randint(most, (60,), generator=draw) for most in (25, 12)]
    of_id = [torch.randint(4, (25,), generator=draw) / 4, torch.randint(4, (12,), generator=draw) / 4]
    worth = [of[kind] for of, kind in zip(of_id, ids, strict=True)]
    found = cover(ids, worth, budget).tolist()
    assert found == one_by_one([i.tolist() for i in ids], [w.tolist() for w in worth], budget)


def test_the_example_of_the_file() -> None:
    ids = [torch.tensor([1, 2, 1]), torch.tensor([7, 7, 9])]
    worth = [torch.tensor([1.0, 0.5, 1.0]), torch.tensor([1 / 3, 1 / 3, 0.0])]
    assert cover(ids, worth, 3).tolist() == [0, 1]
    assert cover(ids, worth, 1).tolist() == [0]


def test_of_no_rows_none_is_taken() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    assert not len(cover([none, none], [none.double(), none.double()], 5))
