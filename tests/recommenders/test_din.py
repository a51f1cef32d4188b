"""DIN against a plain loop over rows, written from its description."""

from __future__ import annotations

import pytest
import torch
from recommenders.test_embedding_mlp import CATEGORIES, ITEMS, USERS, draw, mean
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.recommenders import DIN, Lookup
from asmg_pl.recommenders.din import means
from asmg_pl.testing import check_recommender


def model(categories: bool, items: int = ITEMS) -> DIN:
    torch.manual_seed(11)
    recommender = DIN(Sizes(USERS, items, CATEGORIES if categories else 0), activation_hidden=[5])
    for parameter in recommender.parameters():
        parameter.data.normal_(std=0.4)
    return recommender


def plain_logits(recommender: DIN, batch: Batch) -> Tensor:
    """Row by row: each entry of the history is weighed by what the activation unit makes of it and the item."""
    users, items = recommender.table("user"), recommender.table("item")

    def describe(item: int) -> Tensor:
        if batch.categories is None:
            return items[item]
        known = [recommender.table("category")[c] for c in batch.categories[item].tolist() if c >= 0]
        return torch.cat([items[item], mean(known, 8)])

    logits = []
    for user, item, history, length in zip(*(column.tolist() for column in batch[:4]), strict=True):
        target = describe(item)
        interest = torch.zeros_like(target)
        for entry in map(describe, history[:length]):
            pair = torch.cat([entry, target, entry - target, entry * target])
            interest = interest + recommender.activation(pair) * entry
        logits.append(recommender.mlp(torch.cat([users[user], interest, target])))
    return torch.cat(logits)


def test_it_keeps_the_rules_of_a_recommender() -> None:
    check_recommender(DIN)


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
def test_what_stands_in_padded_places_changes_neither_score_nor_gradient(categories: bool) -> None:
    batch, recommender = draw(categories), model(categories)
    padded = torch.arange(batch.history.shape[1]) >= batch.history_length[:, None]
    other = batch._replace(history=batch.history.masked_fill(padded, 17))
    assert torch.equal(recommender(batch), recommender(other))
    dense = list(recommender.dense_parameters().values())
    one, two = (torch.autograd.grad(recommender(rows).sum(), dense) for rows in (batch, other))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_the_weight_of_an_entry_depends_on_the_item() -> None:
    batch, recommender = draw(categories=False), model(categories=False)
    last = recommender.mlp[0]
    assert isinstance(last, nn.Linear)
    last.weight.data[:, 16:] = 0  # the logit reads user and interest alone
    other = batch._replace(item=(batch.item + 1) % ITEMS)
    changed = recommender(batch) != recommender(other)
    assert torch.equal(changed, batch.history_length > 0)


@pytest.mark.parametrize("categories", [True, False])
def test_without_histories_the_rest_still_scores(categories: bool) -> None:
    batch, recommender = draw(categories, history_size=0), model(categories)
    torch.testing.assert_close(recommender(batch), plain_logits(recommender, batch))


@pytest.mark.parametrize(
    ("categories", "hidden", "activation", "widths", "unit"),
    [
        (True, None, None, [20, 10, 5, 1], [32, 36, 1]),
        (False, None, None, [12, 6, 3, 1], [16, 36, 1]),
        (True, [7], [6, 3], [20, 7, 1], [32, 6, 3, 1]),
        (False, [], [], [12, 1], [16, 1]),
    ],
)
def test_layers_have_the_documented_widths(
    categories: bool, hidden: list[int] | None, activation: list[int] | None, widths: list[int], unit: list[int]
) -> None:
    recommender = DIN(Sizes(3, 4, 5 if categories else 0), 4, hidden, activation)
    for mlp, expected in [(recommender.mlp, widths), (recommender.activation, unit)]:
        layers = [layer for layer in mlp if isinstance(layer, nn.Linear)]
        assert [layers[0].in_features, *(layer.out_features for layer in layers)] == expected


@pytest.mark.parametrize("rows", [5, 400], ids=["small table", "big table"])
@pytest.mark.parametrize("batch", [0, 3])
def test_means_are_taken_entry_by_entry(rows: int, batch: int) -> None:
    draw = torch.Generator().manual_seed(0)
    table, ids = torch.randn(rows, 6, generator=draw), torch.randint(rows, (batch, 4, 2), generator=draw)
    shares = torch.rand(batch, 4, 2, generator=draw)
    torch.testing.assert_close(means(Lookup(table, ids), shares), (table[ids] * shares[..., None]).sum(2))
