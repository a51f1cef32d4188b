"""SASRec against a plain loop over entries, written from its description."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from recommenders.test_embedding_mlp import ITEMS, draw
from recommenders.test_next_item import model, states
from torch import Tensor, nn

from asmg_pl.data.log import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.recommenders import SASRec


def plain_states(recommender: SASRec, history: list[int]) -> Tensor:
    """Entry by entry, each of which attends to itself and to those that stand after it, the earlier ones."""
    table, width = recommender.table("item"), recommender.newcomer.shape[0]
    entries = [table[item] * width**0.5 + recommender.positions[place] for place, item in enumerate(history)]

    def part(layer: object, vector: Tensor) -> Tensor:
        assert isinstance(layer, nn.Module)
        found: Tensor = layer(vector)
        return found

    for block in recommender.blocks:
        after = []
        for place, entry in enumerate(entries):
            asking = part(block.norm_queries, entry)
            query = part(block.query, asking)
            products = [query @ part(block.key, earlier) / width**0.5 for earlier in entries[place:]]
            shares = F.softmax(torch.stack(products), dim=0)
            values = [part(block.value, earlier) for earlier in entries[place:]]
            found = sum(share * value for share, value in zip(shares, values, strict=True))
            normal = part(block.norm, asking + found)
            after.append(normal + part(block.network, normal))
        entries = after
    return torch.stack([part(recommender.norm, entry) for entry in entries])


def test_states_are_those_of_a_loop_over_entries() -> None:
    recommender, batch = model("SASRec"), draw(categories=False)
    assert isinstance(recommender, SASRec)
    found = states(recommender, batch)
    for row, length in enumerate(batch.history_length.tolist()):
        if length:
            plain = plain_states(recommender, batch.history[row, :length].tolist()).detach()
            torch.testing.assert_close(found[row, :length], plain, atol=1e-4, rtol=1e-4)


def test_dropout_acts_in_training_alone() -> None:
    torch.manual_seed(0)
    recommender, batch = SASRec(Sizes(7, ITEMS), dropout=0.5), draw(categories=False)
    trained = recommender(batch)
    assert not torch.equal(recommender(batch), trained)
    recommender.eval()
    assert torch.equal(recommender(batch), recommender(batch))


@pytest.mark.parametrize("heads", [0, 3])
def test_heads_must_divide_the_width(heads: int) -> None:
    with pytest.raises(ConfigError, match=f"recommender.heads is {heads}, which does not divide embedding_dim 32"):
        SASRec(Sizes(7, ITEMS), heads=heads)
