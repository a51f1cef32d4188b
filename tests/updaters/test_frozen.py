"""A model that never changes."""

from __future__ import annotations

from collections.abc import Callable

import torch

from asmg_pl.updaters import Frozen, IncrementalUpdate, Updater

Walk = Callable[..., Updater]


def weights(updater: Updater) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in updater.recommender.parameters()])


def test_a_frozen_model_does_not_move_after_pretraining(short_walk: Walk) -> None:
    pretrained, walked = short_walk(Frozen, until=2), short_walk(Frozen)
    assert torch.equal(weights(pretrained), weights(walked))
    assert sorted(walked.results) == [3, 4, 5, 6, 7]
    moved = short_walk(IncrementalUpdate)
    assert repr(walked.results[3]) == repr(moved.results[3])
    assert not torch.equal(weights(walked), weights(moved))
