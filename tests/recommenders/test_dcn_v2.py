"""DCN-V2 against its formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from recommenders.test_embedding_mlp import CATEGORIES, ITEMS, USERS, draw
from recommenders.test_features import SIZES, made

from asmg_pl.data.sizes import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.recommenders import DCNv2, EmbeddingMLP
from asmg_pl.recommenders.dcn_v2 import Cross
from asmg_pl.testing.samples import sample_batch


@pytest.mark.parametrize("rank", [None, 3])
def test_a_layer_is_its_formula_in_a_plain_loop(rank: int | None) -> None:
    torch.manual_seed(0)
    layer, first, latest = Cross(5, rank), torch.randn(4, 5), torch.randn(4, 5)
    parts: Any = layer.weight
    if rank is None:
        weight, bias = parts.weight, parts.bias
    else:
        weight, bias = parts[1].weight @ parts[0].weight, parts[1].bias
        assert torch.linalg.matrix_rank(weight.detach()) == rank
    found = layer(first, latest)
    for row in range(4):
        for n in range(5):
            inner = sum(weight[n, m] * latest[row, m] for m in range(5)) + bias[n]
            torch.testing.assert_close(found[row, n], first[row, n] * inner + latest[row, n])


def test_without_crosses_it_is_embedding_and_mlp() -> None:
    torch.manual_seed(1)
    sizes = Sizes(USERS, ITEMS, CATEGORIES)
    model, plain, batch = DCNv2(sizes), EmbeddingMLP(sizes), draw(categories=True)
    state = model.state_dict()
    plain.load_state_dict({name: value for name, value in state.items() if not name.startswith("crosses")})
    assert not torch.allclose(model(batch), plain(batch))
    for name, parameter in model.named_parameters():
        if name.startswith("crosses"):
            parameter.data.zero_()
    torch.testing.assert_close(model(batch), plain(batch))


def test_numbers_and_lists_reach_the_crosses() -> None:
    model, batch = made(DCNv2), sample_batch(SIZES)
    model(batch).sum().backward()
    gradient = model.crosses[0].weight.weight.grad  # type: ignore[union-attr,index]
    assert (gradient != 0).any(0).all()


@pytest.mark.parametrize("wrong", [{"cross_layers": 0}, {"rank": 0}])
def test_too_few_layers_or_ranks_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"recommender.{next(iter(wrong))} must be at least 1, got 0"):
        DCNv2(Sizes(9, 9), **wrong)
