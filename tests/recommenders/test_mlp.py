"""An MLP, which a kernel computes unless its layers have to be called."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from asmg_pl.recommenders.kernels import mlp as kernel
from asmg_pl.recommenders.mlp import ReluMLP
from asmg_pl.system.compiled import cpp_compiler

needs_compiler = pytest.mark.skipif(cpp_compiler() is None, reason="needs a C++ compiler")
ROWS = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with each call of the kernel."""
    found: list[int] = []
    real = kernel.relu_mlp

    def counted(tensors: list[Tensor]) -> Tensor:
        found.append(len(tensors))
        return real(tensors)

    monkeypatch.setattr(kernel, "relu_mlp", counted)
    return found


def layer_by_layer(mlp: ReluMLP) -> Tensor:
    found = ROWS
    for layer in mlp:
        found = layer(found)
    return found


@needs_compiler
def test_the_kernel_is_called_with_the_parameters_of_the_moment(calls: list[int]) -> None:
    mlp = ReluMLP([6, 4, 1])
    torch.testing.assert_close(mlp(ROWS), layer_by_layer(mlp))
    with torch.no_grad():
        mlp[0].weight.mul_(2)  # type: ignore[operator]
    torch.testing.assert_close(mlp(ROWS), layer_by_layer(mlp))
    others = {name: (2 * each).requires_grad_() for name, each in mlp.state_dict().items()}
    functional_call(mlp, others, ROWS).sum().backward()
    assert all(each.grad is not None for each in others.values())
    assert calls == [5, 5, 5]


def test_it_is_saved_and_copied_as_a_plain_one() -> None:
    mlp = ReluMLP([6, 4, 1])
    plain = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1))
    plain.load_state_dict(mlp.state_dict())
    torch.testing.assert_close(plain(ROWS), copy.deepcopy(mlp)(ROWS))


@pytest.mark.parametrize("hook", ["forward_pre", "forward", "full_backward_pre", "full_backward"])
def test_hooks_of_layers_are_called(hook: str, calls: list[int]) -> None:
    mlp, seen = ReluMLP([6, 4, 1]), []
    getattr(mlp[1], f"register_{hook}_hook")(lambda *_: seen.append(hook))
    mlp(ROWS).sum().backward()
    assert (seen, calls) == ([hook], [])


def test_a_layer_that_was_replaced_is_called(calls: list[int]) -> None:
    mlp = ReluMLP([6, 4, 1])
    mlp[1] = nn.Tanh()
    torch.testing.assert_close(mlp(ROWS), layer_by_layer(mlp))
    assert calls == []
