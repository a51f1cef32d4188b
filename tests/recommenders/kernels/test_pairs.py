"""The dot products of all pairs of vectors: the kernel and plain operations agree."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from asmg_pl.recommenders.kernels import pairs as kernel
from asmg_pl.system.compiled import cpp_compiler


def products_and_slopes(vectors: Tensor) -> tuple[Tensor, Tensor]:
    made = vectors.clone().requires_grad_()
    found = kernel.pairwise_products(made)
    found.cos().sum().backward()
    assert made.grad is not None
    return found.detach(), made.grad


@pytest.mark.skipif(cpp_compiler() is None, reason="needs a C++ compiler")
@pytest.mark.parametrize("width", [3, 8, 16])
def test_the_kernel_gives_the_plain_numbers(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = torch.randn(20, width, 5, generator=torch.Generator().manual_seed(0)).transpose(1, 2)
    native = products_and_slopes(vectors)
    monkeypatch.setattr(kernel, "_native", lambda: None)
    for ours, plain in zip(native, products_and_slopes(vectors), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)


def test_numbers_of_another_kind_take_plain_operations() -> None:
    vectors = torch.randn(20, 5, 8, generator=torch.Generator().manual_seed(0))
    for ours, other in zip(products_and_slopes(vectors), products_and_slopes(vectors.double()), strict=True):
        torch.testing.assert_close(ours, other.float(), rtol=1e-4, atol=1e-4)
