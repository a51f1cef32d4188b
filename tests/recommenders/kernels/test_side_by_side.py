"""Parts that are written side by side, against the concatenation of what they have."""

from __future__ import annotations

import torch

from asmg_pl.recommenders.kernels.side_by_side import Given, side_by_side


def test_columns_and_gradients_are_those_of_a_concatenation() -> None:
    draw = torch.Generator().manual_seed(1)
    one, fixed, other = (torch.randn(5, *shape, generator=draw) for shape in ((3,), (2,), (2, 4)))
    one.requires_grad_()
    other.requires_grad_()
    weights = torch.randn(5, 13, generator=draw)
    ours, plain = (
        side_by_side([Given(one), Given(fixed), Given(other)], 5),
        torch.cat([one, fixed, other.flatten(1)], dim=1),
    )
    assert torch.equal(ours, plain)
    for found, expected in zip(
        *(torch.autograd.grad((made * weights).sum(), [one, other]) for made in (ours, plain)), strict=True
    ):
        assert torch.equal(found, expected)
