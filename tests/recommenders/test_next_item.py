"""What next-item models share: order, causality, and users without a history."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from recommenders.test_embedding_mlp import ITEMS, USERS, draw
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.recommenders import DotProduct, GRU4Rec, NextItem, SASRec
from asmg_pl.testing import check_recommender

MODELS: dict[str, Callable[[Sizes], NextItem]] = {
    "SASRec": SASRec,
    "SASRec, two heads": partial(SASRec, heads=2, blocks=3),
    "SASRec, one block": partial(SASRec, blocks=1, dropout=0.5),
    "GRU4Rec": GRU4Rec,
    "GRU4Rec, two layers": partial(GRU4Rec, layers=2, dropout=0.5),
}
every_model = pytest.mark.parametrize("name", MODELS)


def model(name: str, **options: int) -> NextItem:
    torch.manual_seed(11)
    build: Callable[..., NextItem] = MODELS[name]
    made = build(Sizes(USERS, ITEMS), **options)
    for parameter in made.parameters():
        parameter.data.normal_(std=0.4)
    return made.eval()


def states(recommender: NextItem, batch: Batch, newest: int | None = None) -> Tensor:
    real = torch.arange(batch.history.shape[1]) < batch.history_length[:, None]
    return recommender.states(recommender.table("item")[batch.history], real, newest).detach()


@every_model
def test_it_keeps_the_rules_of_a_recommender(name: str) -> None:
    check_recommender(MODELS[name])
    build: Callable[..., NextItem] = MODELS[name]
    check_recommender(partial(build, places=2))


@every_model
def test_a_later_entry_changes_no_earlier_state(name: str) -> None:
    recommender, batch = model(name), draw(categories=False)
    whole = states(recommender, batch)
    for later in range(1, batch.history.shape[1]):  # entries stand latest first
        changed = batch.history.clone()
        changed[:, :later] = (changed[:, :later] + 7) % ITEMS
        found = states(recommender, batch._replace(history=changed))
        for row, length in enumerate(batch.history_length.tolist()):
            assert torch.equal(found[row, later:length], whole[row, later:length])
            if length >= later:
                assert not torch.allclose(found[row, 0], whole[row, 0]), "the latest state reads all entries"


@every_model
def test_padding_changes_no_state(name: str) -> None:
    recommender, batch = model(name), draw(categories=False)
    padded = torch.arange(batch.history.shape[1]) >= batch.history_length[:, None]
    one, other = (states(recommender, batch._replace(history=batch.history.masked_fill(padded, i))) for i in (0, 17))
    assert torch.equal(one[~padded], other[~padded])
    wider = batch._replace(history=torch.cat([batch.history, batch.history[:, :2]], dim=1))
    torch.testing.assert_close(recommender(wider), recommender(batch))


@every_model
def test_the_newest_states_are_those_of_all(name: str) -> None:
    recommender, batch = model(name), draw(categories=False)
    real = batch.history_length > 0
    torch.testing.assert_close(states(recommender, batch, newest=1)[real], states(recommender, batch)[real, :1])


@every_model
def test_the_order_of_a_history_counts(name: str) -> None:
    recommender, batch = model(name), draw(categories=False)
    full = batch.history_length == batch.history.shape[1]
    turned = recommender(batch._replace(history=batch.history.flip(1)))
    assert not torch.isclose(turned[full], recommender(batch)[full]).any()


@every_model
def test_a_user_without_a_history_has_the_learned_state(name: str) -> None:
    recommender, batch = model(name), draw(categories=False)
    expected = recommender.table("item")[batch.item] @ recommender.newcomer
    none = batch.history_length == 0
    torch.testing.assert_close(recommender(batch)[none], expected[none])
    bare = batch._replace(history=batch.history[:, :0], history_length=batch.history_length * 0)
    torch.testing.assert_close(recommender(bare), expected)


@every_model
def test_entries_beyond_the_places_are_not_read(name: str) -> None:
    recommender, batch = model(name, places=3), draw(categories=False)
    assert recommender.lookups(batch)["item"].shape == (12, 4)
    changed = batch.history.clone()
    changed[:, 3:] += 1
    assert torch.equal(recommender(batch._replace(history=changed)), recommender(batch))


@every_model
def test_the_logit_is_the_dot_product_of_state_and_item(name: str) -> None:
    recommender, batch = model(name), draw(categories=False)
    assert isinstance(recommender, DotProduct)
    real = batch.history_length > 0
    expected = (states(recommender, batch)[:, 0] * recommender.table("item")[batch.item]).sum(1)
    torch.testing.assert_close(recommender(batch)[real], expected[real])


@every_model
def test_gradients_reach_every_parameter(name: str) -> None:
    recommender, batch = model(name), draw(categories=False)
    recommender(batch).sigmoid().sum().backward()
    for path, parameter in recommender.named_parameters():
        assert parameter.grad is not None, path
        assert parameter.grad.isfinite().all(), path
        if not path.endswith("key.bias"):  # which adds one number to all of a query's products, as softmax ignores
            assert parameter.grad.any(), path
