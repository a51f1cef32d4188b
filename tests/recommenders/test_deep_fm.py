"""DeepFM against a plain loop over rows, written from its description."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from recommenders.test_embedding_mlp import CATEGORIES, ITEMS, USERS, draw, mean
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.recommenders import DeepFM, Lookup
from asmg_pl.recommenders.kernels.pairs import pairwise_products


def model(categories: bool, items: int = ITEMS) -> DeepFM:
    torch.manual_seed(11)
    return DeepFM(Sizes(USERS, items, CATEGORIES if categories else 0))


def plain_logits(recommender: DeepFM, batch: Batch) -> Tensor:
    """Row by row: every field's weight, the product of every pair of fields, and the MLP over all of them."""

    def fields(kind: str, user: int, item: int, past: list[int]) -> list[Tensor]:
        users, items = recommender.table(f"user{kind}"), recommender.table(f"item{kind}")
        width = users.shape[1]

        def categories_of(one: int) -> Tensor:
            assert batch.categories is not None
            known = [recommender.table(f"category{kind}")[c] for c in batch.categories[one].tolist() if c >= 0]
            return mean(known, width)

        own, before = [items[item]], [mean([items[i] for i in past], width)]
        if batch.categories is not None:
            own.append(categories_of(item))
            before.append(mean([categories_of(i) for i in past], width))
        return [users[user], *before, *own]

    logits = []
    for user, item, history, length in zip(*(column.tolist() for column in batch[:4]), strict=True):
        embedded = fields("", user, item, history[:length])
        logit = recommender.mlp(torch.cat(embedded))
        for weight in fields("_weight", user, item, history[:length]):
            logit = logit + weight
        for one, other in combinations(embedded, 2):
            logit = logit + one @ other
        logits.append(logit)
    return torch.cat(logits)


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


@pytest.mark.parametrize("fields", [1, 2, 3, 5])
def test_products_of_pairs_are_the_explicit_sum_over_pairs(fields: int) -> None:
    vectors = torch.randn(6, fields, 8, generator=torch.Generator().manual_seed(fields), dtype=torch.float64)
    explicit = torch.zeros(6, dtype=torch.float64)
    for i, j in combinations(range(fields), 2):
        explicit += (vectors[:, i] * vectors[:, j]).sum(-1)
    torch.testing.assert_close(pairwise_products(vectors), explicit)


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


@pytest.mark.parametrize(
    ("categories", "hidden", "widths"),
    [(True, None, [20, 10, 5, 1]), (False, None, [12, 6, 3, 1]), (True, [7], [20, 7, 1]), (False, [], [12, 1])],
)
def test_layers_and_tables_have_the_documented_widths(
    categories: bool, hidden: list[int] | None, widths: list[int]
) -> None:
    recommender = DeepFM(Sizes(3, 4, 5 if categories else 0), embedding_dim=4, hidden=hidden)
    layers = [layer for layer in recommender.mlp if isinstance(layer, nn.Linear)]
    assert [layers[0].in_features, *(layer.out_features for layer in layers)] == widths
    rows = {"user": 3, "item": 4} | ({"category": 5} if categories else {})
    tables = {name: (n, 4) for name, n in rows.items()} | {f"{name}_weight": (n, 1) for name, n in rows.items()}
    assert {name: tuple(table.shape) for name, table in recommender.table_parameters().items()} == tables


def test_everything_starts_glorot_uniform_tables_and_biases_included() -> None:
    torch.manual_seed(0)
    for name, parameter in DeepFM(Sizes(300, 500, 20)).named_parameters():
        fans = sum(parameter.shape) if parameter.ndim == 2 else 2 * len(parameter)
        limit = (6 / fans) ** 0.5
        assert 0 < parameter.abs().max() <= limit, name
        if parameter.numel() >= 100:
            assert parameter.abs().max() > 0.95 * limit, name
