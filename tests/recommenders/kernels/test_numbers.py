"""Scaled numbers and their fields: kernels and plain operations agree."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Feature
from asmg_pl.recommenders.kernels import numbers as kernel
from asmg_pl.recommenders.numbers import NumberVectors
from asmg_pl.system.compiled import cpp_compiler

pytestmark = pytest.mark.skipif(cpp_compiler() is None, reason="needs a C++ compiler")

ROWS = torch.where(torch.rand(40, 3, generator=torch.Generator().manual_seed(0)) < 0.3, torch.nan, torch.arange(3.0))
EMPTY = torch.zeros(40, dtype=torch.long)
BATCH = Batch(EMPTY, EMPTY, EMPTY[:, None], EMPTY, EMPTY.float(), numbers=ROWS + torch.arange(40.0)[:, None])


def fields_and_gradient(width: int, log: bool, columns: slice) -> tuple[Tensor, Tensor]:
    """Those of numbers of which one has a logarithm; every second slope is that of another tensor."""
    made = NumberVectors([Feature("a", "item"), Feature("b", "user", log=True), Feature("c", "item")], width, log)
    made.take(torch.tensor([20.0, 2.0, 0.1]), torch.tensor([9.0, 0.5, 3.0]))
    assert made.vectors is not None
    made.vectors.data.copy_(torch.randn(6, width, generator=torch.Generator().manual_seed(1)))
    (found,) = made.joined(BATCH, columns=columns)
    torch.cat([found.flatten(1), ROWS], dim=1)[:, : found[0].numel()].sin().sum().backward()
    assert made.vectors.grad is not None
    return found.detach(), made.vectors.grad


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(("width", "columns"), [(9, slice(-1)), (9, slice(-1, None)), (5, slice(None))])
def test_the_kernels_give_the_plain_numbers(
    width: int, columns: slice, log: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    native = fields_and_gradient(width, log, columns)
    monkeypatch.setattr(kernel, "_native", lambda: None)
    plain = fields_and_gradient(width, log, columns)
    assert torch.equal(native[0], plain[0])
    torch.testing.assert_close(native[1], plain[1])


def test_numbers_of_another_kind_take_plain_operations() -> None:
    assert kernel.computes(ROWS)
    assert not kernel.computes(ROWS, ROWS.double())
