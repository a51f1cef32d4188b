"""The generator's optimiser: its rate falls from period to period, its weights decay to the identity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from asmg_pl.data import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.generators import GRUGenerator, ParameterShapes, ResidualGRU, RowGenerator, TrendGenerator
from asmg_pl.updaters import ASMG, Updater
from asmg_pl.updaters.optim.generator_adam import GeneratorAdam

SHAPES = ParameterShapes({"item": 3}, {"a": 2}, window=2)


@pytest.mark.parametrize("kind", [ResidualGRU, RowGenerator, TrendGenerator])
def test_without_a_gradient_weights_decay_to_the_identity(kind: Any) -> None:
    generator = kind(SHAPES)
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter)
        parameter.grad = torch.zeros_like(parameter)
    before = {id(p): p.clone() for p in generator.parameters()}
    drawn = {id(p) for p in generator.identity_at_zero()}
    GeneratorAdam(generator, lr=0.1, weight_decay=2.0).step()
    for parameter in generator.parameters():
        share = 0.8 if id(parameter) in drawn else 1.0
        torch.testing.assert_close(parameter.detach(), share * before[id(parameter)])


def test_the_rate_falls_in_each_period_that_trains_the_generator(short_walk: Callable[..., Updater]) -> None:
    rates = {}
    for until in (4, 5, 7):
        updater = short_walk(ASMG, window=1, until=until, generator_rate_decay=0.5)
        rates[until] = updater.trainer.optimizers[1].param_groups[0]["lr"]
    assert rates == {4: 1e-2, 5: 5e-3, 7: 1.25e-3}


@pytest.mark.parametrize("value", [0, -1])
def test_a_rate_that_cannot_fall_is_refused(value: int) -> None:
    with pytest.raises(ConfigError, match=rf"model\.generator_rate_decay must be .*, got {value}"):
        ASMG(Sizes(3, 3), generator_rate_decay=value)


@pytest.mark.parametrize("value", [-1, 100, float("nan")])
def test_a_decay_that_turns_weights_round_is_refused(value: float) -> None:
    with pytest.raises(ConfigError, match=rf"model\.generator_weight_decay must be .*, got {value}"):
        ASMG(Sizes(3, 3), generator_weight_decay=value)


def test_a_generator_without_an_identity_has_no_decay() -> None:
    with pytest.raises(ConfigError, match="GRUGenerator has none: leave it out"):
        ASMG(Sizes(3, 3), generator=GRUGenerator, generator_weight_decay=0.1)
