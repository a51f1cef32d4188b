"""Adam against its equations, and its place after a resume."""

from __future__ import annotations

import torch
from torch import Tensor

from asmg_pl.optim import Adam

GRADIENTS = torch.tensor([[1e-9, 1e-7, -1e-4, 3.0], [2e-9, -1e-7, 1e-5, 0.0], [0.0, 5e-8, 1e-4, -2.0]]).double()


def run(parameter: Tensor, optimizer: Adam, gradients: Tensor) -> None:
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()


def by_the_equations(gradients: Tensor, lr: float, epsilon: float) -> Tensor:
    theta, m, v = torch.zeros(4).double(), torch.zeros(4).double(), torch.zeros(4).double()
    for t, g in enumerate(gradients, start=1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        theta = theta - lr * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t) * m / (v.sqrt() + epsilon)
    return theta


def test_epsilon_stands_beside_the_uncorrected_second_moment() -> None:
    parameter = torch.zeros(4).double().requires_grad_()
    run(parameter, Adam([parameter], lr=0.1), GRADIENTS)
    torch.testing.assert_close(parameter.detach(), by_the_equations(GRADIENTS, 0.1, 1e-8), rtol=1e-9, atol=0)


def test_a_tiny_gradient_makes_a_smaller_first_step_than_in_pytorch() -> None:
    ours, theirs = torch.zeros(4).double().requires_grad_(), torch.zeros(4).double().requires_grad_()
    run(ours, Adam([ours], lr=0.1), GRADIENTS[:1])
    theirs.grad = GRADIENTS[0].clone()
    torch.optim.Adam([theirs], lr=0.1).step()
    assert ours[0].abs() < 0.1 * theirs[0].abs()
    torch.testing.assert_close(ours[3], theirs[3], rtol=1e-6, atol=0)


def test_an_optimizer_goes_on_from_its_saved_state() -> None:
    parameter = torch.zeros(4).double().requires_grad_()
    first = Adam([parameter], lr=0.1)
    run(parameter, first, GRADIENTS[:2])
    second = Adam([parameter], lr=0.1)
    second.load_state_dict(first.state_dict())
    run(parameter, second, GRADIENTS[2:])
    torch.testing.assert_close(parameter.detach(), by_the_equations(GRADIENTS, 0.1, 1e-8), rtol=1e-9, atol=0)
