"""Rows ranked among candidates."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from recommenders.test_embedding_mlp import CATEGORIES, ITEMS, USERS, draw

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.recommenders import (
    DeepFM,
    EmbeddingMLP,
    GRU4Rec,
    Hashed,
    MatrixFactorization,
    Recommender,
    SASRec,
    TwoTower,
)
from asmg_pl.recommenders.ranked import dot_product

MODELS: dict[str, Callable[[Sizes], Recommender]] = {
    "SASRec": SASRec,
    "GRU4Rec": GRU4Rec,
    "TwoTower": TwoTower,
    "MatrixFactorization": MatrixFactorization,
    "Hashed": partial(Hashed, recommender=SASRec, items=7),
}
CHOSEN = torch.tensor([3, 39, 0, 3, 12])


def model(name: str) -> Recommender:
    torch.manual_seed(2)
    made = MODELS[name](Sizes(USERS, ITEMS, CATEGORIES))
    for parameter in made.parameters():
        parameter.data.normal_(std=0.4)
    return made


def ranked(batch: Batch) -> Batch:
    return batch._replace(candidates=CHOSEN, log_expected=torch.zeros(len(CHOSEN)))


@pytest.mark.parametrize("row_wise", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_logits_are_those_of_each_pair_alone(name: str, row_wise: bool) -> None:
    recommender, batch = model(name), draw(categories=True)
    recommender.row_wise = row_wise
    logits = recommender(ranked(batch))
    assert logits.shape == (12, 6)
    torch.testing.assert_close(logits[:, 0], recommender(batch))
    for column, item in enumerate(CHOSEN, start=1):
        torch.testing.assert_close(logits[:, column], recommender(batch._replace(item=item.expand(12))))


@pytest.mark.parametrize("row_wise", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_those_of_each_pair_alone(name: str, row_wise: bool) -> None:
    recommender, batch = model(name), draw(categories=True)
    recommender.row_wise = row_wise
    recommender(ranked(batch)).sigmoid().sum().backward()
    found = {path: parameter.grad for path, parameter in recommender.named_parameters()}
    recommender.zero_grad()
    pairs = [recommender(batch)] + [recommender(batch._replace(item=item.expand(12))) for item in CHOSEN]
    torch.stack(pairs).sigmoid().sum().backward()
    for path, parameter in recommender.named_parameters():
        one, other = found[path], parameter.grad
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            torch.testing.assert_close(one.to_dense(), other.to_dense(), msg=path)


@pytest.mark.parametrize("name", ["SASRec", "TwoTower"])
def test_only_the_rows_of_the_mini_batch_and_of_the_candidates_are_asked_for(name: str) -> None:
    recommender, batch = model(name), draw(categories=True)
    asked = recommender.requests(ranked(batch))["item"].rows.unique().tolist()
    assert asked == sorted({*batch.item.tolist(), *batch.history.flatten().tolist(), *CHOSEN.tolist()})
    users = recommender.requests(ranked(batch)).get("user")
    assert users is None or set(users.rows.tolist()) == set(batch.user.tolist())


@pytest.mark.parametrize("name", MODELS)
def test_a_mini_batch_may_have_neither_rows_nor_candidates(name: str) -> None:
    recommender, batch = model(name), draw(categories=True)
    none = batch._replace(candidates=CHOSEN[:0], log_expected=torch.zeros(0))
    torch.testing.assert_close(recommender(none)[:, 0], recommender(batch))
    by_row = {name: getattr(batch, name)[:0] for name in ("user", "item", "history", "history_length", "label")}
    assert recommender(ranked(batch._replace(**by_row))).shape == (0, 6)


def test_a_dot_product_is_found_within_a_model_too() -> None:
    hashed = model("Hashed")
    assert isinstance(hashed, Hashed)
    inner: object = hashed.model
    assert dot_product(hashed) is inner
    assert dot_product(EmbeddingMLP(Sizes(3, 3))) is None
    assert dot_product(Hashed(Sizes(3, 3), DeepFM, items=2)) is None
