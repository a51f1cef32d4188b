"""A step over micro-batches is the step over their mini-batch; what is not finite on the way is noted."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import Tensor

from asmg_pl.data.sizes import Sizes
from asmg_pl.recommenders import MatrixFactorization
from asmg_pl.updaters.walking.stepping import Stepping

ROWS = torch.arange(24.0).view(8, 3) / 10


def walked(micro_batches: int, gradient_clip: float | None = None) -> tuple[Tensor, list[int]]:
    """Three weights after two steps of plain gradient descent, and after which micro-batches they have moved."""
    weight = torch.ones(3, requires_grad=True)
    optimizer: Any = torch.optim.SGD([weight], lr=0.1)
    stepping = Stepping(MatrixFactorization(Sizes(2, 2)), gradient_clip)
    moved = []
    for number, rows in enumerate(ROWS.split(4) if micro_batches == 1 else ROWS.split(4 // micro_batches)):
        before = weight.detach().clone()
        stepping.arrive(number, micro_batches)
        stepping.step(optimizer, (rows @ weight).square().mean(), lambda loss: cast(None, loss.backward()))
        if not torch.equal(before, weight.detach()):
            moved.append(number)
    return weight.detach(), moved


@pytest.mark.parametrize("gradient_clip", [None, 0.5])
def test_micro_batches_make_the_step_of_their_mini_batch(gradient_clip: float | None) -> None:
    whole, after_whole = walked(1, gradient_clip)
    halves, after_halves = walked(2, gradient_clip)
    torch.testing.assert_close(halves, whole)
    assert after_whole == [0, 1]
    assert after_halves == [1, 3], "a step is taken with the last micro-batch of a mini-batch"


def test_a_longer_gradient_is_shortened() -> None:
    free, limited = walked(1)[0], walked(1, gradient_clip=0.5)[0]
    assert (limited - torch.ones(3)).norm() <= 2 * 0.1 * 0.5 + 1e-6
    assert (free - torch.ones(3)).norm() > (limited - torch.ones(3)).norm()


def test_a_loss_that_is_not_finite_is_noted_with_its_mini_batch() -> None:
    weight = torch.ones(3, requires_grad=True)
    optimizer: Any = torch.optim.SGD([weight], lr=0.1)
    stepping = Stepping(MatrixFactorization(Sizes(2, 2)))
    for number, factor in enumerate([1.0, 1.0, 1.0, torch.inf]):
        stepping.arrive(number, 2)
        stepping.step(optimizer, factor * weight.sum(), lambda loss: cast(None, loss.backward()))
    assert stepping.watch.take() == ["the loss of mini-batch 2"]
    assert stepping.watch.take() == []
