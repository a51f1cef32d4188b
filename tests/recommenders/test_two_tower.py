"""TwoTower against a plain loop over rows, written from its description."""

from __future__ import annotations

import pytest
import torch
from recommenders.test_embedding_mlp import CATEGORIES, ITEMS, USERS, draw, mean
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.recommenders import Lookup, TwoTower
from asmg_pl.recommenders.mlp import Linear, ReLU


def model(categories: bool, items: int = ITEMS) -> TwoTower:
    torch.manual_seed(11)
    return TwoTower(Sizes(USERS, items, CATEGORIES if categories else 0))


def plain_logits(recommender: TwoTower, batch: Batch) -> Tensor:
    """Row by row: user beside the mean of the history's items, item beside the mean of its categories."""
    users, items = recommender.table("user"), recommender.table("item")
    logits = []
    for user, item, history, length in zip(*(column.tolist() for column in batch[:4]), strict=True):
        asking = torch.cat([users[user], mean([items[i] for i in history[:length]], 8)])
        asked = items[item]
        if batch.categories is not None:
            known = [recommender.table("category")[c] for c in batch.categories[item].tolist() if c >= 0]
            asked = torch.cat([asked, mean(known, 8)])
        logits.append(recommender.user_tower(asking) @ recommender.item_tower(asked) + recommender.bias[0])
    return torch.stack(logits)


@pytest.mark.parametrize("items", [4, ITEMS], ids=["small tables", "big tables"])
@pytest.mark.parametrize("categories", [True, False])
def test_logits_are_those_of_a_loop_over_rows(categories: bool, items: int) -> None:
    batch, recommender = draw(categories, catalogue_items=items), model(categories, items)
    logits = recommender(batch)
    assert logits.shape == (12,)
    torch.testing.assert_close(logits, plain_logits(recommender, batch))


@pytest.mark.parametrize("categories", [True, False])
def test_gradients_are_those_of_a_loop_over_rows_and_reach_every_parameter(categories: bool) -> None:
    batch, recommender = draw(categories), model(categories)
    parameters = dict(recommender.named_parameters())
    found = torch.autograd.grad(recommender(batch).sigmoid().sum(), list(parameters.values()))
    plain = torch.autograd.grad(plain_logits(recommender, batch).sigmoid().sum(), list(parameters.values()))
    for name, one, other in zip(parameters, found, plain, strict=True):
        torch.testing.assert_close(one, other, msg=f"gradients of {name} differ")
        assert one.any(), name


@pytest.mark.parametrize("categories", [True, False])
def test_what_stands_in_padded_places_changes_no_score(categories: bool) -> None:
    batch, recommender = draw(categories), model(categories)
    padded = torch.arange(batch.history.shape[1]) >= batch.history_length[:, None]
    other = batch._replace(history=batch.history.masked_fill(padded, 17))
    assert torch.equal(recommender(batch), recommender(other))


def test_wider_padding_of_the_catalogue_changes_no_score() -> None:
    batch, recommender = draw(categories=True), model(categories=True)
    assert batch.categories is not None
    wider = torch.cat([batch.categories, torch.full((ITEMS, 2), -1)], dim=1)
    torch.testing.assert_close(recommender(batch), recommender(batch._replace(categories=wider)))


@pytest.mark.parametrize("categories", [True, False])
def test_given_lookups_score_as_the_own_tables_do(categories: bool) -> None:
    batch, recommender = draw(categories), model(categories)
    given = {}
    for name, ids in recommender.lookups(batch).items():
        touched, places = ids.unique(return_inverse=True)
        given[name] = Lookup(recommender.table(name)[touched], places)
    expected = recommender(batch)
    for table in recommender.table_parameters().values():
        table.data.fill_(float("nan"))  # the score must not read them
    torch.testing.assert_close(recommender(batch, given), expected)


@pytest.mark.parametrize("categories", [True, False])
def test_without_histories_the_rest_still_scores(categories: bool) -> None:
    batch, recommender = draw(categories, history_size=0), model(categories)
    torch.testing.assert_close(recommender(batch), plain_logits(recommender, batch))


def test_an_item_has_one_vector_for_every_user() -> None:
    batch, recommender = draw(categories=True), model(categories=True)
    batch = batch._replace(item=torch.full_like(batch.item, 8))
    lookups = {name: Lookup(recommender.table(name), ids) for name, ids in recommender.lookups(batch).items()}
    vectors = recommender.item_vectors(batch, lookups)
    torch.testing.assert_close(vectors, vectors[:1].expand(12, -1))
    assert len(recommender.user_vectors(batch, lookups).unique(dim=0)) > 1


@pytest.mark.parametrize(
    ("categories", "hidden", "user_tower", "item_tower"),
    [
        (True, None, [8, 8, 5], [8, 8, 5]),
        (False, None, [8, 8, 5], [4, 4, 5]),
        (True, [7, 6], [8, 7, 6, 5], [8, 7, 6, 5]),
        (False, [], [8, 5], [4, 5]),
    ],
)
def test_layers_have_the_documented_widths(
    categories: bool, hidden: list[int] | None, user_tower: list[int], item_tower: list[int]
) -> None:
    recommender = TwoTower(Sizes(3, 4, 5 if categories else 0), embedding_dim=4, hidden=hidden, output_dim=5)
    for tower, widths in [(recommender.user_tower, user_tower), (recommender.item_tower, item_tower)]:
        layers = [layer for layer in tower if isinstance(layer, nn.Linear)]
        assert [layers[0].in_features, *(layer.out_features for layer in layers)] == widths
        assert [type(layer) for layer in tower] == [Linear, ReLU] * (len(layers) - 1) + [Linear]
    tables = {"user": (3, 4), "item": (4, 4)} | ({"category": (5, 4)} if categories else {})
    assert {name: tuple(table.shape) for name, table in recommender.table_parameters().items()} == tables


def test_everything_starts_glorot_uniform_tables_and_biases_included() -> None:
    torch.manual_seed(0)
    for name, parameter in TwoTower(Sizes(300, 500, 20)).named_parameters():
        fans = sum(parameter.shape) if parameter.ndim == 2 else 2 * len(parameter)
        limit = (6 / fans) ** 0.5
        assert 0 < parameter.abs().max() <= limit, name
        if parameter.numel() >= 100:
            assert parameter.abs().max() > 0.95 * limit, name
