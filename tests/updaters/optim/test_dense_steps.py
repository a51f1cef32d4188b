"""Adam on many parameters in one C++ call, against PyTorch's fused Adam."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from asmg_pl.system.compiled import cpp_compiler
from asmg_pl.updaters.optim import dense_steps
from asmg_pl.updaters.optim.adam import Adam

needs_compiler = pytest.mark.skipif(cpp_compiler() is None, reason="needs a C++ compiler")
SHAPES = [(3, 7), (1,), (40, 20), (0, 4)]


def walked(
    steps: int = 5, shapes: list[tuple[int, ...]] = SHAPES, decay: float = 0.0, decoupled: bool = True
) -> tuple[list[Tensor], Adam]:
    """Parameters of two groups after some steps, in each of which another one has no gradient, and the optimiser."""
    draw = torch.Generator().manual_seed(4)
    parameters = [nn.Parameter(torch.randn(shape, generator=draw)) for shape in shapes]
    further: dict[str, Any] = {
        "params": parameters[2:],
        "lr": 0.1,
        "weight_decay": decay,
        "decoupled_weight_decay": decoupled,
    }
    optimizer = Adam([{"params": parameters[:2]}, further], lr=0.01)
    for number in range(steps):
        optimizer.zero_grad()
        for place, parameter in enumerate(parameters):
            if place != number:
                parameter.grad = torch.randn(parameter.shape, generator=draw)
        optimizer.step()
    return [parameter.detach() for parameter in parameters], optimizer


@needs_compiler
@pytest.mark.parametrize(("decay", "decoupled"), [(0.0, True), (0.1, True), (0.1, False)])
def test_the_kernel_gives_the_numbers_of_fused_adam(
    decay: float, decoupled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, optimizer = walked(decay=decay, decoupled=decoupled)
    monkeypatch.setattr(dense_steps, "_native", lambda: None)
    plain, other = walked(decay=decay, decoupled=decoupled)
    for one, two in zip(ours, plain, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-7)
    for state, expected in zip(optimizer.state.values(), other.state.values(), strict=True):
        assert state.keys() == expected.keys()
        for name, value in state.items():
            torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-7)


@needs_compiler
def test_numbers_do_not_depend_on_threads() -> None:
    before, found = torch.get_num_threads(), []
    for count in (1, 3):
        torch.set_num_threads(count)
        try:
            found.append(walked(2, [(3, 3), (2,), (7, 20_001), (60_000,)])[0])
        finally:
            torch.set_num_threads(before)
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


def test_a_closure_gives_the_loss_and_the_gradients() -> None:
    parameter = nn.Parameter(torch.ones(2))
    optimizer = Adam([parameter], lr=0.1)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = parameter.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 2
    torch.testing.assert_close(parameter.detach(), torch.full((2,), 0.9))


def test_gradients_can_be_set_to_zero() -> None:
    parameter = nn.Parameter(torch.ones(2))
    parameter.grad = torch.ones(2)
    optimizer = Adam([parameter], lr=0.1)
    optimizer.zero_grad(set_to_none=False)
    assert torch.equal(parameter.grad, torch.zeros(2))
    optimizer.zero_grad()
    assert parameter.grad is None


def test_hooks_are_called_once_whichever_optimiser_was_made_before() -> None:
    torch.optim.Adam([nn.Parameter(torch.ones(1))], lr=0.1)
    parameter, calls = nn.Parameter(torch.ones(2)), []
    optimizer = Adam([parameter], lr=0.1)
    optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    optimizer.register_step_post_hook(lambda *_: calls.append("after"))
    parameter.grad = torch.ones(2)
    optimizer.step()
    assert calls == ["before", "after"]
    assert [group["steps"] for group in optimizer.param_groups] == [1]
