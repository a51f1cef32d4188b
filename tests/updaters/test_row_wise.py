"""Steps that change only the rows of their mini-batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.recommenders import DeepFM, EmbeddingMLP, MatrixFactorization, Recommender, TwoTower
from asmg_pl.updaters import ASMG, EWC, SML, IncCTR, IncrementalUpdate, Updater

SIZES = Sizes(users=500, items=600)


def a_batch() -> Batch:
    draw = torch.Generator().manual_seed(0)
    user, item = (torch.randint(n, (8,), generator=draw) for n in (SIZES.users, SIZES.items))
    history = torch.randint(SIZES.items, (8, 5), generator=draw)
    return Batch(user, item, history, torch.full((8,), 5), torch.tensor([0.0, 1.0]).repeat(4))


@pytest.mark.parametrize("kind", [EmbeddingMLP, MatrixFactorization, DeepFM, TwoTower])
def test_the_sparse_gradient_is_the_dense_one(kind: Callable[[Sizes], Recommender]) -> None:
    torch.manual_seed(0)
    model = kind(SIZES)
    gradients = {}
    for row_wise in (False, True):
        model.row_wise = row_wise
        model.zero_grad()
        model(a_batch()).square().sum().backward()
        gradients[row_wise] = {name: p.grad for name, p in model.named_parameters()}
    for name, dense in gradients[False].items():
        found = gradients[True][name]
        assert dense is not None
        assert found is not None
        assert found.is_sparse == name.startswith("tables.")
        torch.testing.assert_close(found.to_dense() if found.is_sparse else found, dense)


def test_a_step_moves_the_rows_of_its_mini_batch_alone() -> None:
    updater = IncrementalUpdate(SIZES, row_wise=True)
    optimizer = updater.configure_optimizers()[0]
    batch = a_batch()
    for _ in range(2):
        before = {name: table.detach().clone() for name, table in updater.recommender.table_parameters().items()}
        optimizer.zero_grad()
        updater.cross_entropy(batch).backward()
        optimizer.step()
    for name, ids in updater.recommender.lookups(batch).items():
        moved = (updater.recommender.table(name) != before[name]).any(1).nonzero().flatten()
        assert set(moved.tolist()) <= set(ids.flatten().tolist())
        assert len(moved)


@pytest.mark.slow
@pytest.mark.parametrize("method", [IncrementalUpdate, IncCTR, ASMG, SML])
def test_a_walk_row_by_row(short_walk: Any, method: Callable[..., Updater]) -> None:
    one, again, dense = (short_walk(method, row_wise=row_wise) for row_wise in (True, True, False))
    assert sorted(one.results) == [3, 4, 5, 6, 7]
    for name, weight in one.recommender.state_dict().items():
        assert torch.equal(weight, again.recommender.state_dict()[name])
    assert not torch.equal(one.recommender.table("user"), dense.recommender.table("user"))


def test_elastic_weights_are_over_all_rows_anyway(short_walk: Any) -> None:
    rows, dense = (short_walk(EWC, row_wise=row_wise).importance.table("user") for row_wise in (True, False))
    assert rows.shape == dense.shape
    assert (rows > 0).any()
