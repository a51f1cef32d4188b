"""Embedding&MLP against a plain loop over rows, written from its description."""

from __future__ import annotations

import polars as pl
import pytest
import torch
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import InteractionLog, Sizes
from asmg_pl.recommenders import EmbeddingMLP, Lookup
from asmg_pl.recommenders.mlp import Linear, ReLU

USERS, ITEMS, CATEGORIES = 7, 40, 6


def draw(categories: bool, rows: int = 12, history_size: int = 5, catalogue_items: int = ITEMS) -> Batch:
    """Rows with histories of every length, the empty and the full one among them; every third item has no category."""
    source = torch.Generator().manual_seed(3)
    length = torch.arange(rows) % (history_size + 1)
    history = torch.randint(catalogue_items, (rows, history_size), generator=source)
    history[torch.arange(history_size) >= length[:, None]] = 0
    catalogue = torch.randint(-1, CATEGORIES, (catalogue_items, 3), generator=source)
    catalogue[::3] = -1
    catalogue = catalogue.sort(dim=1, descending=True).values  # padding stands at the end
    return Batch(
        user=torch.randint(USERS, (rows,), generator=source),
        item=torch.randint(catalogue_items, (rows,), generator=source),
        history=history,
        history_length=length,
        label=torch.zeros(rows),
        categories=catalogue if categories else None,
    )


def model(categories: bool, items: int = ITEMS) -> EmbeddingMLP:
    torch.manual_seed(11)
    return EmbeddingMLP(Sizes(USERS, items, CATEGORIES if categories else 0))


def mean(vectors: list[Tensor], width: int) -> Tensor:
    return torch.stack(vectors).mean(0) if vectors else torch.zeros(width)


def plain_logits(recommender: EmbeddingMLP, batch: Batch) -> Tensor:
    """Row by row: user, mean of the history, item; an item is its embedding beside the mean of its categories."""
    width = recommender.table("user").shape[1]

    def describe(item: int) -> Tensor:
        own = recommender.table("item")[item]
        if batch.categories is None:
            return own
        known = [recommender.table("category")[c] for c in batch.categories[item].tolist() if c >= 0]
        return torch.cat([own, mean(known, width)])

    logits = []
    for user, item, history, length in zip(*(column.tolist() for column in batch[:4]), strict=True):
        target = describe(item)
        past = mean([describe(i) for i in history[:length]], len(target))
        logits.append(recommender.mlp(torch.cat([recommender.table("user")[user], past, target])))
    return torch.cat(logits)


@pytest.mark.parametrize("items", [8, ITEMS], ids=["small tables", "big tables"])
@pytest.mark.parametrize("categories", [True, False])
def test_logits_are_those_of_a_loop_over_rows(categories: bool, items: int) -> None:
    batch, recommender = draw(categories, catalogue_items=items), model(categories, items)
    logits = recommender(batch)
    assert logits.shape == (12,)
    torch.testing.assert_close(logits, plain_logits(recommender, batch))


@pytest.mark.parametrize("categories", [True, False])
def test_gradients_are_those_of_a_loop_over_rows(categories: bool) -> None:
    batch, recommender = draw(categories), model(categories)
    parameters = dict(recommender.named_parameters())
    found = torch.autograd.grad(recommender(batch).sigmoid().sum(), list(parameters.values()))
    plain = torch.autograd.grad(plain_logits(recommender, batch).sigmoid().sum(), list(parameters.values()))
    for name, one, other in zip(parameters, found, plain, strict=True):
        torch.testing.assert_close(one, other, msg=f"gradients of {name} differ")


@pytest.mark.parametrize("categories", [True, False])
def test_what_stands_in_padded_places_changes_no_score(categories: bool) -> None:
    batch, recommender = draw(categories), model(categories)
    padded = torch.arange(batch.history.shape[1]) >= batch.history_length[:, None]
    other = batch._replace(history=batch.history.masked_fill(padded, 17))
    assert torch.equal(recommender(batch), recommender(other))


def test_padding_of_categories_gives_no_gradient_to_the_first_category() -> None:
    recommender = model(categories=True)
    ids = torch.tensor([1, 2])
    catalogue = torch.full((ITEMS, 3), -1)
    catalogue[1, 0] = 4
    batch = Batch(ids, ids, ids[:, None], torch.ones(2, dtype=torch.int64), torch.zeros(2), catalogue)
    recommender(batch).sum().backward()
    gradient = recommender.table("category").grad
    assert gradient is not None
    assert gradient.abs().sum(1).nonzero().flatten().tolist() == [4]


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
def test_a_row_scores_the_same_alone_and_in_company(categories: bool) -> None:
    batch, recommender = draw(categories), model(categories)
    parts = zip(*(column.split(1) for column in batch[:5] if column is not None), strict=True)
    alone = [
        recommender(batch._replace(user=user, item=item, history=history, history_length=length, label=label))
        for user, item, history, length, label in parts
    ]
    torch.testing.assert_close(torch.cat(alone), recommender(batch))


@pytest.mark.parametrize("categories", [True, False])
def test_without_histories_the_rest_still_scores(categories: bool) -> None:
    batch, recommender = draw(categories, history_size=0), model(categories)
    torch.testing.assert_close(recommender(batch), plain_logits(recommender, batch))


def test_a_catalogue_that_knows_no_item_does_not_stop_the_model() -> None:
    rows = pl.DataFrame({"user": [1, 2], "item": [1, 2], "label": [0, 1], "time": [1, 2]})
    log = InteractionLog.from_frame(rows, pl.DataFrame({"item": [99], "categories": [["a"]]}))
    assert EmbeddingMLP(log.sizes)(log.batch(torch.arange(2), 3)).shape == (2,)


@pytest.mark.parametrize(
    ("categories", "hidden", "dim", "widths"),
    [
        (True, None, 8, [40, 20, 10, 1]),
        (False, None, 8, [24, 12, 6, 1]),
        (True, None, 4, [20, 10, 5, 1]),
        (True, [7], 8, [40, 7, 1]),
        (False, [9, 8, 7], 8, [24, 9, 8, 7, 1]),
    ],
)
def test_layers_have_the_documented_widths(
    categories: bool, hidden: list[int] | None, dim: int, widths: list[int]
) -> None:
    recommender = EmbeddingMLP(Sizes(3, 4, 5 if categories else 0), dim, hidden)
    layers = [layer for layer in recommender.mlp if isinstance(layer, nn.Linear)]
    assert [layers[0].in_features, *(layer.out_features for layer in layers)] == widths
    assert [type(layer) for layer in recommender.mlp] == [Linear, ReLU] * (len(layers) - 1) + [Linear]
    tables = {"user": (3, dim), "item": (4, dim)} | ({"category": (5, dim)} if categories else {})
    assert {name: tuple(table.shape) for name, table in recommender.table_parameters().items()} == tables


def test_everything_starts_glorot_uniform_tables_and_biases_included() -> None:
    torch.manual_seed(0)
    for name, parameter in EmbeddingMLP(Sizes(300, 500, 20)).named_parameters():
        fans = sum(parameter.shape) if parameter.ndim == 2 else 2 * len(parameter)
        limit = (6 / fans) ** 0.5
        assert parameter.abs().max() <= limit, name
        if parameter.numel() >= 100:
            assert parameter.abs().max() > 0.95 * limit, name
        assert parameter.unique().numel() == parameter.numel() or parameter.numel() > 1000, name
