"""EWC: its penalty's gradient, and what it takes for important."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.updaters import EWC, IncrementalUpdate, Updater

Walk = Callable[..., Updater]
SIZES = Sizes(6, 9)


def weights(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def batch(rows: int = 4, seed: int = 0) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    user, item = torch.randint(6, (rows,), generator=draw), torch.randint(9, (rows, 4), generator=draw)
    label = torch.rand(rows, generator=draw).round()
    return Batch(user, item[:, 0], item[:, 1:], torch.full((rows,), 3), label, None)


def test_the_penalty_pulls_each_parameter_back_by_its_importance() -> None:
    torch.manual_seed(0)
    updater = EWC(SIZES, strength=3.0)
    for parameter in (*updater.recommender.parameters(), *updater.importance.parameters()):
        torch.nn.init.uniform_(parameter)
    (updater.strength / 2 * updater.penalty()).backward()
    parts = zip(*(m.parameters() for m in (updater.recommender, updater.anchor, updater.importance)), strict=True)
    for now, before, importance in parts:
        assert now.grad is not None
        torch.testing.assert_close(now.grad, 3.0 * importance * (now - before).detach())
    assert all(p.grad is None for p in (*updater.anchor.parameters(), *updater.importance.parameters()))


def test_importance_is_the_mean_of_squared_gradients_and_decays() -> None:
    torch.manual_seed(0)
    updater = EWC(SIZES, decay=0.5)
    torch.nn.init.ones_(updater.importance.table("user"))
    batches = [batch(4, 1), batch(2, 2)]
    for mini_batch in batches:
        updater.weigh(mini_batch)
    updater.take_importance()
    table = updater.recommender.table("user")
    squares = []
    for mini_batch in batches:
        loss = F.binary_cross_entropy_with_logits(updater.recommender(mini_batch), mini_batch.label)
        squares.append(len(mini_batch.label) * torch.autograd.grad(loss, table)[0] ** 2)
    expected = 0.5 + sum(squares) / 2
    torch.testing.assert_close(updater.importance.table("user").data, expected)
    untouched = [u for u in range(6) if all(u not in b.user for b in batches)]
    assert untouched
    assert (updater.importance.table("user")[untouched] == 0.5).all()
    assert torch.equal(weights(updater.anchor), weights(updater.recommender))


def test_pretraining_is_weighed_before_the_first_update() -> None:
    updater = EWC(SIZES, pretrain_periods=4)
    first, later = updater.phases(5), updater.phases(6)
    assert [(p.name, p.reading.periods) for p in first] == [
        ("score", (5,)),
        ("weigh-pretraining", (1, 2, 3, 4)),
        ("update", (5,)),
        ("weigh", (5,)),
    ]
    assert [(p.name, p.reading.periods) for p in later] == [("score", (6,)), ("update", (6,)), ("weigh", (6,))]


def test_strength_holds_the_model_back_and_zero_does_not(short_walk: Walk) -> None:
    free, none, strong = short_walk(IncrementalUpdate), short_walk(EWC, strength=0.0), short_walk(EWC, strength=1e6)
    start = short_walk(IncrementalUpdate, until=2)
    assert torch.equal(weights(free.recommender), weights(none.recommender))

    def moved(updater: Updater) -> float:
        return float((weights(updater.recommender) - weights(start.recommender)).norm())

    assert moved(strong) < 0.8 * moved(free)


@pytest.mark.parametrize("arguments", [{"strength": -1.0}, {"decay": 1.5}, {"decay": -0.1}])
def test_bad_settings_are_refused_by_name(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"model.{next(iter(arguments))}"):
        EWC(SIZES, **arguments)
