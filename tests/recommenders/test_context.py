"""Context features in the recommenders that use them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from recommenders.test_embedding_mlp import CATEGORIES, ITEMS, USERS, draw
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.recommenders import DIN, DLRM, DCNv2, DeepFM, EmbeddingMLP, Lookup, Recommender, TwoTower

VALUES = (3, 5)
Build = Callable[[Sizes], Recommender]
every_user_of_context = pytest.mark.parametrize("build", [EmbeddingMLP, DeepFM, DIN, TwoTower, DCNv2, DLRM])


def rows(context: Tensor | None = None) -> Batch:
    batch = draw(categories=True)
    drawn = torch.stack([torch.randint(n, (12,), generator=torch.Generator().manual_seed(n)) for n in VALUES], dim=1)
    return batch._replace(context=drawn if context is None else context)


def model(build: Build) -> Recommender:
    torch.manual_seed(5)
    return build(Sizes(USERS, ITEMS, CATEGORIES, VALUES))


@every_user_of_context
def test_each_feature_has_a_table_with_a_row_for_each_value(build: Build) -> None:
    recommender = model(build)
    assert [len(recommender.table(f"context_{number}")) for number in range(2)] == [3, 5]


@every_user_of_context
def test_a_feature_changes_the_score_of_its_own_row(build: Build) -> None:
    recommender, batch = model(build), rows()
    assert batch.context is not None
    for feature, values in enumerate(VALUES):
        other = batch.context.clone()
        other[4, feature] = (other[4, feature] + 1) % values
        changed = recommender(batch) != recommender(rows(other))
        assert changed.nonzero().flatten().tolist() == [4]


@every_user_of_context
def test_gradient_reaches_the_values_that_occur_and_no_others(build: Build) -> None:
    recommender = model(build)
    batch = rows(torch.tensor([[0, 4]] * 6 + [[2, 1]] * 6))
    recommender(batch).sum().backward()
    for feature, occurring in enumerate([[0, 2], [1, 4]]):
        gradient = recommender.table(f"context_{feature}").grad
        assert gradient is not None
        assert gradient.any(1).nonzero().flatten().tolist() == occurring


@every_user_of_context
def test_given_lookups_score_as_the_own_tables_do(build: Build) -> None:
    recommender, batch = model(build), rows()
    expected = recommender(batch).detach()
    given = {}
    for name, ids in recommender.lookups(batch).items():
        touched, places = ids.unique(return_inverse=True)
        given[name] = Lookup(recommender.table(name).detach()[touched], places)
    for table in recommender.table_parameters().values():
        table.data.fill_(float("nan"))
    torch.testing.assert_close(recommender(batch, given), expected)


@every_user_of_context
def test_what_depends_on_a_feature_alone_is_learned(build: Build) -> None:
    recommender, batch = model(build), rows()
    assert batch.context is not None
    label = (batch.context[:, 1] >= 2).float()
    optimizer = torch.optim.Adam(recommender.parameters(), lr=0.03)
    random = torch.Generator().manual_seed(0)
    for _ in range(150):  # whoever the user and whatever the item
        shuffled = batch._replace(
            user=torch.randint(USERS, (12,), generator=random), item=torch.randint(ITEMS, (12,), generator=random)
        )
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(recommender(shuffled), label).backward()
        optimizer.step()
    assert torch.equal(recommender(batch) > 0, label > 0)
