"""SML's transfer: against a plain loop, row by row, and its widths."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from asmg_pl.errors import ConfigError
from asmg_pl.generators import ParameterShapes
from asmg_pl.updaters.transfer import RowTransfer, Transfer

SHAPES = ParameterShapes({"user": 4}, {"mlp.0.weight": 6, "mlp.0.bias": 2}, window=2)


def gelu(x: float) -> float:
    return x * (1 + math.erf(x / math.sqrt(2))) / 2


def linear(layer: torch.nn.Linear, values: list[float]) -> list[float]:
    bias = layer.bias.tolist() if layer.bias is not None else [0.0] * layer.out_features
    return [
        sum(w * v for w, v in zip(row, values, strict=True)) + b
        for row, b in zip(layer.weight.tolist(), bias, strict=True)
    ]


def transferred(net: RowTransfer, before: list[float], now: list[float]) -> list[float]:
    """The transfer of one row, number by number."""
    norm = math.sqrt(sum(value**2 for value in before))
    flat = []
    for old, new in zip(before, now, strict=True):
        first = [gelu(v) for v in linear(net.first, [old, new, old * new / norm])]
        flat += [gelu(v) for v in linear(net.second, first)]
    return linear(net.output, [gelu(v) for v in linear(net.hidden, flat)])


@pytest.fixture
def transfer() -> Transfer:
    torch.manual_seed(0)
    return Transfer(SHAPES)


def pair(*shape: int) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(1)
    return torch.randn(shape, generator=draw), torch.randn(shape, generator=draw)


def test_rows_are_transferred_each_by_itself_as_a_plain_loop_does(transfer: Transfer) -> None:
    before, now = pair(5, 4)
    found = transfer.table("user", before, now)
    expected = [transferred(transfer.tables["user"], *rows) for rows in zip(before.tolist(), now.tolist(), strict=True)]  # type: ignore[arg-type]
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-5, rtol=0)
    torch.testing.assert_close(transfer.table("user", before[2:3], now[2:3]), found[2:3])


def test_a_dense_tensor_is_one_row_whatever_its_shape(transfer: Transfer) -> None:
    before, now = pair(2, 3)
    found = transfer.dense("mlp.0.weight", before, now)
    net = transfer.tensors["mlp_0_weight"]
    expected = transferred(net, before.flatten().tolist(), now.flatten().tolist())  # type: ignore[arg-type]
    torch.testing.assert_close(found, torch.tensor(expected).view(2, 3), atol=1e-5, rtol=0)


def test_a_row_of_zeros_has_no_direction_but_is_a_number_all_the_same(transfer: Transfer) -> None:
    before, now = torch.zeros(1, 4, requires_grad=True), torch.ones(1, 4, requires_grad=True)
    out = transfer.table("user", before, now)
    out.sum().backward()
    assert out.isfinite().all()
    assert now.grad is not None
    assert now.grad.isfinite().all()


def test_the_widths_are_the_published_ones_for_the_published_mlp() -> None:
    dense = {
        "fcn1.weight": 800,
        "fcn1.bias": 20,
        "fcn2.weight": 200,
        "fcn2.bias": 10,
        "fcn3.weight": 10,
        "fcn3.bias": 1,
    }
    transfer = Transfer(ParameterShapes({"user": 8}, dense, window=2))
    widths = [p.shape for name, p in transfer.named_parameters() if name.endswith("hidden.weight")]
    assert widths == [(20, 40), (80, 2400), (40, 60), (40, 600), (20, 30), (20, 30), (2, 3)]


@pytest.mark.parametrize("options", [{"table_hidden": 0}, {"dense_filters": (0, 3)}, {"dense_hidden": 0}])
def test_widths_must_be_positive(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="must be at least 1"):
        Transfer(SHAPES, **options)  # type: ignore[arg-type]
