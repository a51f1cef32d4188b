"""The C++ kernel that gathers the vectors of many tables, against an embedding for each table."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from asmg_pl.recommenders import Lookup
from asmg_pl.recommenders.kernels import gathered as kernel
from asmg_pl.recommenders.kernels.gathered import gathered
from asmg_pl.system.compiled import cpp_compiler

needs_compiler = pytest.mark.skipif(cpp_compiler() is None, reason="needs a C++ compiler")
ROWS = (3, 1, 40, 7)


def lookups(width: int, dtype: torch.dtype = torch.float32) -> list[Lookup]:
    """Ids of 30 rows as a batch has them, side by side, of tables of which the third needs no gradient."""
    draw = torch.Generator().manual_seed(2)
    ids = torch.stack([torch.randint(rows, (30,), generator=draw) for rows in ROWS], dim=1)
    tables = [torch.randn(rows, width, generator=draw).to(dtype).requires_grad_(rows != 40) for rows in ROWS]
    return [Lookup(table, column) for table, column in zip(tables, ids.unbind(1), strict=True)]


def results(found: list[Lookup]) -> list[Tensor | None]:
    """The vectors, and the gradients of the tables."""
    vectors = gathered(found)
    (vectors * torch.arange(1.0, 1 + vectors.numel()).view_as(vectors)).sum().backward()
    return [vectors.detach(), *(each.weight.grad for each in found)]


@needs_compiler
@pytest.mark.parametrize("width", [1, 5, 8, 16, 32])
def test_the_kernel_gives_the_plain_numbers(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fused = results(lookups(width))
    assert fused[3] is None
    monkeypatch.setattr(kernel, "_native", lambda: None)
    for ours, plain in zip(fused, results(lookups(width)), strict=True):
        torch.testing.assert_close(ours, plain)


def test_numbers_of_another_kind_take_plain_operations() -> None:
    assert gathered(lookups(4, torch.float64)).dtype == torch.float64


@needs_compiler
@pytest.mark.parametrize("wrong", [-1, 7])
def test_an_id_that_is_not_in_its_table_is_an_error(wrong: int) -> None:
    found = lookups(8)
    found[3].index[4] = wrong
    with pytest.raises(IndexError, match="row 4 of the mini-batch has an id that is not in its table"):
        gathered(found)
