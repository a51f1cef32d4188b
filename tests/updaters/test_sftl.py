"""SFTL: its loss, and how slow and fast models follow."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from asmg_pl.data import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.updaters import SFTL, IncrementalUpdate, Updater

Walk = Callable[..., Updater]


def weights(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


class Watched(SFTL):
    """Averages the base model by itself, as the fast model should."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.expected = weights(self.fast).double()

    def pretrained(self) -> None:
        super().pretrained()
        self.expected = weights(self.recommender).double()

    def update(self, batch: Batch) -> None:
        super().update(batch)
        self.expected = 0.9 * self.expected + 0.1 * weights(self.recommender).double()


def test_the_loss_asks_for_more_than_either_teacher_gives(short_walk: Walk) -> None:
    updater = short_walk(SFTL, ranking=0.3)
    assert isinstance(updater, SFTL)
    batch = updater.data.log.batch(torch.arange(400, 416), 5)
    with torch.no_grad():
        now, slow, fast = (model(batch).tolist() for model in (updater.recommender, updater.slow, updater.fast))
    expected = 0.0
    for z, *teachers, label in zip(now, slow, fast, batch.label.tolist(), strict=True):
        sign = 1 if label else -1
        expected += math.log1p(math.exp(-sign * z))
        expected += sum(0.15 * math.log1p(math.exp(-sign * (z - other))) for other in teachers)
    assert updater.loss(batch).item() == pytest.approx(expected / 16, rel=1e-5)


def test_the_fast_model_is_an_average_over_steps(short_walk: Walk) -> None:
    updater = short_walk(Watched, decay=0.9)
    assert isinstance(updater, Watched)
    torch.testing.assert_close(weights(updater.fast).double(), updater.expected, rtol=1e-5, atol=1e-6)
    assert not torch.equal(weights(updater.fast), weights(updater.recommender))


def test_the_slow_model_is_the_one_before_the_period(short_walk: Walk) -> None:
    before, after = short_walk(SFTL, until=6), short_walk(SFTL)
    assert isinstance(after, SFTL)
    assert torch.equal(weights(after.slow), weights(before.recommender))
    assert all(p.grad is None for model in (after.slow, after.fast) for p in model.parameters())


def test_without_the_rank_loss_it_is_plain_incremental_update(short_walk: Walk) -> None:
    plain, none, some = short_walk(IncrementalUpdate), short_walk(SFTL, ranking=0.0), short_walk(SFTL)
    assert torch.equal(weights(plain.recommender), weights(none.recommender))
    assert repr(plain.results[5]) != repr(some.results[5])


@pytest.mark.parametrize("settings", [{"ranking": -0.1}, {"ranking": math.nan}, {"decay": 1.1}, {"decay": -0.1}])
def test_bad_settings_are_refused_by_name(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"model\.{next(iter(settings))} must"):
        SFTL(Sizes(5, 5), **settings)
