"""Counts of updates: requests for rows between snapshots, in total, and the time since the last one."""

from __future__ import annotations

import torch
from torch import Tensor

from asmg_pl.data import Sizes
from asmg_pl.generators.counts import UpdateCounts
from asmg_pl.generators.history import ParameterHistory
from asmg_pl.recommenders import MatrixFactorization


def alone(name: str, pending: Tensor) -> Tensor:
    return pending


def counted(counts: UpdateCounts, *rows: int) -> None:
    counts.see("item", torch.tensor(rows, dtype=torch.int64), torch.ones(len(rows), dtype=torch.int32))
    counts.settle(alone)


def test_requests_are_counted_between_snapshots_in_total_and_by_age() -> None:
    model = MatrixFactorization(Sizes(users=2, items=3), embedding_dim=1)
    history = ParameterHistory(model, window=2, hidden_size=0, counts_updates=True)
    assert history.counts is not None
    found = []
    for rows in [(0, 0, 2), (0,), ()]:
        counted(history.counts, *rows)
        history.push(model)
        found.append(history.rows("item", torch.arange(3))[2][-1].tolist())
    assert found == [
        [[2, 2, 0], [0, 0, 0], [1, 1, 0]],
        [[1, 3, 0], [0, 0, 0], [0, 1, 1]],
        [[0, 3, 1], [0, 0, 0], [0, 1, 2]],
    ]
    assert history.rows("item", torch.arange(3))[2][0].tolist() == found[1], "the snapshot before keeps its counts"


def test_a_growing_history_keeps_the_counts_of_all_snapshots() -> None:
    model = MatrixFactorization(Sizes(users=2, items=3), embedding_dim=1)
    history = ParameterHistory(model, window=None, hidden_size=0, counts_updates=True)
    assert history.counts is not None
    for number in range(4):
        counted(history.counts, *[1] * number)
        history.push(model)
    assert history.rows("item", torch.tensor([1]))[2][:, 0, :2].tolist() == [[0, 0], [1, 1], [2, 3], [3, 6]]
    loaded = ParameterHistory(model, window=None, hidden_size=0, counts_updates=True)
    loaded.load_state_dict(history.state_dict())
    assert torch.equal(loaded.rows("item", torch.tensor([1]))[2], history.rows("item", torch.tensor([1]))[2])


def test_a_pass_that_is_not_over_leaves_no_count_in_the_state() -> None:
    counts = UpdateCounts({"item": torch.zeros(3, 8)}, slots=1)
    counts.see("item", torch.tensor([1]), torch.ones(1, dtype=torch.int32))
    assert not counts.state_dict()["asked.item"].any()
    counts.settle(lambda name, pending: 2 * pending)  # another process has counted as many
    assert counts.state_dict()["asked.item"].tolist() == [0, 2, 0]


def test_a_pass_that_was_interrupted_is_forgotten_when_the_state_is_loaded() -> None:
    counts = UpdateCounts({"item": torch.zeros(3, 8)}, slots=1)
    saved = {name: buffer.clone() for name, buffer in counts.state_dict().items()}
    counts.see("item", torch.tensor([1]), torch.ones(1, dtype=torch.int32))
    counts.load_state_dict(saved)
    counts.settle(alone)
    assert not counts.state_dict()["asked.item"].any()


def test_generators_that_do_not_ask_for_counts_pay_nothing() -> None:
    model = MatrixFactorization(Sizes(users=2, items=3), embedding_dim=1)
    history = ParameterHistory(model, window=2, hidden_size=0)
    assert history.counts is None
    assert len(history.rows("item", torch.arange(3))) == 2
    assert not [name for name in history.state_dict() if "counts" in name]
