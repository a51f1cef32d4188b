"""ReLoop: its loss, and which model came before."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from asmg_pl.data.log import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.updaters import IncrementalUpdate, ReLoop, Updater
from asmg_pl.updaters.reloop import errors

Walk = Callable[..., Updater]


def weights(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def test_only_rows_that_the_last_model_predicts_better_add_to_the_loss(short_walk: Walk) -> None:
    updater = short_walk(ReLoop, correction=0.3)
    assert isinstance(updater, ReLoop)
    batch = updater.data.log.batch(torch.arange(400, 416), 5)
    with torch.no_grad():
        now, before = (model(batch).sigmoid().tolist() for model in (updater.recommender, updater.teacher))
    expected, worse = 0.0, 0
    for ours, theirs, label in zip(now, before, batch.label.tolist(), strict=True):
        expected += 0.7 * -math.log(ours if label else 1 - ours)
        expected += 0.3 * max(0.0, abs(label - ours) - abs(label - theirs))
        worse += abs(label - ours) > abs(label - theirs)
    assert 0 < worse < 16
    assert updater.loss(batch).item() == pytest.approx(expected / 16, rel=1e-5)


def test_an_error_is_the_distance_of_a_probability_from_its_label() -> None:
    found = errors(torch.tensor([0.0, 2.0, 2.0, -1e9]), torch.tensor([1.0, 1.0, 0.0, 1.0]))
    sigmoid = 1 / (1 + math.exp(-2.0))
    torch.testing.assert_close(found, torch.tensor([0.5, 1 - sigmoid, sigmoid, 1.0]))


def test_the_teacher_is_the_model_before_the_period(short_walk: Walk) -> None:
    before, after = short_walk(ReLoop, until=6), short_walk(ReLoop)
    assert isinstance(after, ReLoop)
    assert torch.equal(weights(after.teacher), weights(before.recommender))
    assert all(p.grad is None for p in after.teacher.parameters())


def test_without_correction_it_is_plain_incremental_update(short_walk: Walk) -> None:
    plain, none, some = short_walk(IncrementalUpdate), short_walk(ReLoop, correction=0.0), short_walk(ReLoop)
    assert torch.equal(weights(plain.recommender), weights(none.recommender))
    assert repr(plain.results[3]) == repr(some.results[3]), "pre-training has no model before"
    assert repr(plain.results[5]) != repr(some.results[5])


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_the_share_of_the_correction_is_a_share(share: float) -> None:
    with pytest.raises(ConfigError, match=r"model\.correction must be from 0 to 1"):
        ReLoop(Sizes(5, 5), correction=share)
