"""IncCTR: who teaches, when, and how much."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from asmg_pl.data.log import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.updaters import IncCTR, IncrementalUpdate, Updater

Walk = Callable[..., Updater]


def weights(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def test_the_teacher_is_the_model_before_the_period(short_walk: Walk) -> None:
    before, after = short_walk(IncCTR, until=6), short_walk(IncCTR)
    assert isinstance(after, IncCTR)
    assert torch.equal(weights(after.teacher), weights(before.recommender))
    assert not torch.equal(weights(after.teacher), weights(after.recommender))


def test_without_distillation_it_is_plain_incremental_update(short_walk: Walk) -> None:
    plain, none, some = (
        short_walk(IncrementalUpdate),
        short_walk(IncCTR, distillation=0.0),
        short_walk(IncCTR, distillation=0.5),
    )
    assert torch.equal(weights(plain.recommender), weights(none.recommender))
    assert repr(plain.results[3]) == repr(some.results[3]), "pre-training has no teacher"
    assert repr(plain.results[5]) != repr(some.results[5])


def test_no_gradient_reaches_the_teacher(short_walk: Walk) -> None:
    updater = short_walk(IncCTR)
    assert isinstance(updater, IncCTR)
    assert all(p.grad is None for p in updater.teacher.parameters())


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_the_share_of_the_teacher_is_a_share(share: float) -> None:
    with pytest.raises(ConfigError, match=r"model\.distillation must be from 0 to 1"):
        IncCTR(Sizes(5, 5), distillation=share)
