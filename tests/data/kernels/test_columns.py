"""Rows of several columns: the kernel and plain operations agree."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from asmg_pl.data.kernels import columns as kernel

COLUMNS = [torch.arange(50, dtype=torch.int32) * number for number in (1, -3, 7)]


@pytest.fixture(params=["kernel", "plain"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "plain":
        monkeypatch.setattr(kernel, "_native", lambda: None)


@pytest.mark.parametrize(
    "rows", [torch.tensor([4, 49, 4, 0]), torch.arange(40)[::3], torch.tensor([], dtype=torch.long)]
)
def test_rows_are_taken_from_each_column_in_their_order(rows: Tensor) -> None:
    found = kernel.take(COLUMNS, rows)
    assert found.dtype == torch.int64
    assert found.T.is_contiguous()
    assert torch.equal(found, torch.stack([column[rows] for column in COLUMNS], dim=1).long())


@pytest.mark.parametrize("wrong", [-1, 50])
def test_a_row_that_is_not_there_is_an_error(wrong: int) -> None:
    with pytest.raises(IndexError):
        kernel.take(COLUMNS, torch.tensor([3, wrong]))


def test_columns_of_64_bits_are_taken_too() -> None:
    wide = [column.long() for column in COLUMNS]
    assert torch.equal(kernel.take(wide, torch.tensor([1, 2])), kernel.take(COLUMNS, torch.tensor([1, 2])))
