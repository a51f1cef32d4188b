"""Vectors asked of their owners are those of the plain table, and so are the gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.distributed as dist
from distributed.ranks import on_ranks

from asmg_pl.distributed import Layout, Owners, Traffic

CASES = 12


def ids_of(case: int, rank: int, rows: int) -> torch.Tensor:
    """Some ids, with duplicates; in some cases none, and of only one or two rows."""
    draw = torch.Generator().manual_seed(100 * case + rank)
    shape = [(7,), (0,), (3, 5), (0, 4), (40, 2)][(case + rank) % 5]
    return torch.randint([rows, 2, 1][case % 3], shape, generator=draw)


def ask_and_compare() -> list[float]:
    """The largest differences of vectors and of gradients from those of a plain table, in each case."""
    rank, ranks = dist.get_rank(), dist.get_world_size()
    worst = []
    for case in range(CASES):
        rows, width, shards = 3 + 5 * case, 1 + case % 4, 4 + case % 3
        torch.manual_seed(case)
        table = torch.randn(rows, width, requires_grad=True)
        layout = Layout(rows, shards, rank, ranks)
        held = layout.cut(table.detach()).requires_grad_()
        ids = [ids_of(case, each, rows) for each in range(ranks)]
        request = Owners(layout, Traffic())(ids[rank])
        vectors = request.answer(held, request.rows).vectors()
        sums = [(table[i].square() * (1 + r)).sum() for r, i in enumerate(ids)]
        torch.stack(sums).sum().backward()
        (vectors.square() * (1 + rank)).sum().backward()
        assert table.grad is not None
        assert held.grad is not None
        assert vectors.shape == (*ids[rank].shape, width)
        differences = [vectors - table[ids[rank]], held.grad - layout.cut(table.grad)]
        worst.append(max(float(d.abs().max()) if d.numel() else 0.0 for d in differences))
    return worst


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_vectors_and_gradients_are_those_of_a_plain_table(ranks: int) -> None:
    for worst in on_ranks(ranks, ask_and_compare):
        assert worst == pytest.approx([0.0] * CASES, abs=1e-5)


def traffic_of(rows: int) -> Any:
    """What 24 ids of a table with so many rows cost."""
    traffic = Traffic()
    layout = Layout(rows, 8, dist.get_rank(), dist.get_world_size())
    held = torch.zeros(layout.held, 4, requires_grad=True)
    request = Owners(layout, traffic)(torch.arange(24) + rows - 24)
    request.answer(held, request.rows).vectors().sum().backward()
    return vars(traffic)


def test_what_is_sent_does_not_depend_on_the_size_of_the_table() -> None:
    small, large = (on_ranks(2, traffic_of, rows) for rows in (40, 40_000))
    assert small == large
    count, ids, vectors = 8, 12 * 8, 12 * 4 * 4  # of what is on the other rank, which asks for the same
    assert small[0]["messages"] == 4
    assert small[0]["sent"] == small[0]["received"] == count + ids + 2 * vectors
    assert small[0]["largest"] == 2 * vectors
