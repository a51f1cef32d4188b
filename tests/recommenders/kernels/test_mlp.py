"""The C++ kernel of small MLPs, against plain operations and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad

from asmg_pl.recommenders.kernels import mlp as kernel
from asmg_pl.system.compiled import cpp_compiler

needs_compiler = pytest.mark.skipif(cpp_compiler() is None, reason="needs a C++ compiler")


def drawn(*widths: int, rows: int = 5, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """An input, and a weight and a bias for each layer, all of which want a gradient."""
    draw = partial(torch.randn, generator=torch.Generator().manual_seed(3), dtype=dtype)
    found = [draw(rows, widths[0])]
    for fan_in, fan_out in pairwise(widths):
        found += [draw(fan_out, fan_in) / fan_in**0.5, draw(fan_out)]
    return [each.requires_grad_() for each in found]


def results(compute: Callable[[list[Tensor]], Tensor], tensors: list[Tensor], wanted: list[int]) -> list[Tensor]:
    """The output, and the gradients of the tensors at these places."""
    out = compute(tensors)
    slope = torch.arange(1.0, 1 + out.numel()).view_as(out).sin()
    return [out.detach(), *torch.autograd.grad(out, [tensors[place] for place in wanted], slope)]


@needs_compiler
@pytest.mark.parametrize("rows", [1, 7, 33])
@pytest.mark.parametrize("widths", [(40, 20, 10, 1), (3, 2), (16, 33, 70), (130, 64, 17, 90, 5)])
def test_the_kernel_gives_the_plain_numbers(widths: tuple[int, ...], rows: int) -> None:
    tensors = drawn(*widths, rows=rows)
    assert kernel.computes(tensors)
    for wanted in ([*range(len(tensors))], [0], [1, 2], [len(tensors) - 2]):
        expected = results(kernel.plain, tensors, wanted)
        for place in set(range(len(tensors))) - set(wanted):
            tensors[place].requires_grad_(False)
        found = results(kernel.relu_mlp, tensors, wanted)
        for each in tensors:
            each.requires_grad_()
        for ours, plain in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-5)


@needs_compiler
def test_tensors_may_be_views_and_need_not_be_leaves() -> None:
    tensors = drawn(6, 4, 2)

    def turned() -> list[Tensor]:
        return [tensors[0] * 1, tensors[1].T.contiguous().T, *tensors[2:]]

    ours, plain = (torch.autograd.grad(made(turned()).sum(), tensors) for made in (kernel.relu_mlp, kernel.plain))
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one, other)


@needs_compiler
def test_what_is_not_finite_stays_so() -> None:
    tensors = [each.detach() for each in drawn(3, 4, 2)]
    tensors[0][1, 0] = float("nan")
    found = kernel.relu_mlp(tensors)
    assert found[1].isnan().all()
    assert found[[0, 2, 3, 4]].isfinite().all()


@needs_compiler
def test_a_gradient_can_be_differentiated_again() -> None:
    tensors = drawn(6, 4, 1)
    ours, plain = (
        torch.autograd.grad(
            torch.stack(
                [g.square().sum() for g in torch.autograd.grad(made(tensors).sum(), tensors, create_graph=True)]
            ).sum(),
            tensors[1],
        )[0]
        for made in (kernel.relu_mlp, kernel.plain)
    )
    torch.testing.assert_close(ours, plain)


@needs_compiler
def test_a_tensor_that_changes_before_the_backward_pass_is_an_error() -> None:
    tensors = drawn(3, 2, 1)
    out = kernel.relu_mlp(tensors)
    with torch.no_grad():
        tensors[1].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


@pytest.mark.parametrize(
    ("tensors", "inside"),
    [
        (drawn(3, 2, dtype=torch.float64), nullcontext()),
        ([drawn(3, 2)[0][None], *drawn(3, 2)[1:]], nullcontext()),
        ([each.to("meta") for each in drawn(3, 2)], nullcontext()),
        (drawn(300, 300, rows=100), nullcontext()),
        (drawn(3, 2), torch.autocast("cpu", torch.bfloat16)),
    ],
)
def test_what_is_unusual_takes_plain_operations(tensors: list[Tensor], inside: AbstractContextManager[object]) -> None:
    with inside:
        assert not kernel.computes(tensors)


def test_transforms_and_forward_mode_take_plain_operations() -> None:
    tensors, seen = drawn(3, 2), []

    def look(weight: Tensor) -> Tensor:
        given = [tensors[0], weight, tensors[2]]
        seen.append(kernel.computes(given))
        return kernel.plain(given).sum()

    torch.func.grad(look)(tensors[1])
    torch.vmap(look)(tensors[1].expand(2, -1, -1))
    with forward_ad.dual_level():
        look(forward_ad.make_dual(tensors[1].detach(), torch.ones(2, 3)))
    assert seen == [False, False, False]
