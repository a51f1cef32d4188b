"""Adam against its equations, and its place after a resume."""

from __future__ import annotations

import torch
from torch import Tensor

from asmg_pl.updaters.optim.adam import Adam, RowAdam

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


def sparse(rows: list[int], values: Tensor, size: int) -> Tensor:
    return torch.sparse_coo_tensor(torch.tensor([rows]), values, (size, values.shape[1]))


def test_row_by_row_is_the_same_where_every_step_touches_all_rows() -> None:
    dense, rowed = (torch.zeros(3, 4).double().requires_grad_() for _ in range(2))
    adam, row_adam = Adam([dense], lr=0.1), RowAdam([rowed], lr=0.1)
    for gradient in torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0)).double():
        dense.grad, rowed.grad = gradient.clone(), sparse([2, 0, 1], gradient[[2, 0, 1]], 3)
        adam.step()
        row_adam.step()
        assert rowed.grad is None  # or it would count in the next step
    torch.testing.assert_close(rowed, dense, rtol=1e-9, atol=0)


def test_rows_without_a_gradient_keep_their_place_and_their_moments() -> None:
    table, dense = torch.zeros(3, 4).double().requires_grad_(), torch.zeros(4).double().requires_grad_()
    optimizer = RowAdam([table, dense], lr=0.1)
    for number, gradient in enumerate(GRADIENTS):
        table.grad = sparse([1, 1], torch.stack([gradient / 2, gradient / 2]), 3)  # a row named twice counts once
        dense.grad = gradient.clone()
        optimizer.step()
        if number == 0:
            first = table.detach().clone()
    assert torch.equal(first[[0, 2]], torch.zeros(2, 4).double())
    expected = by_the_equations(GRADIENTS, 0.1, 1e-8)
    torch.testing.assert_close(table.detach()[1], expected, rtol=1e-9, atol=0)
    torch.testing.assert_close(dense.detach(), expected, rtol=1e-9, atol=0)
    before, moments = table.detach().clone(), optimizer.state[table]["exp_avg"][1].clone()
    table.grad, dense.grad = sparse([0], GRADIENTS[:1], 3), None
    optimizer.step()
    assert torch.equal(table.detach()[1:], before[1:])
    assert torch.equal(optimizer.state[table]["exp_avg"][1], moments)
    assert not torch.equal(table.detach()[0], before[0])


def test_rows_go_on_from_their_saved_state() -> None:
    whole, parts = (torch.zeros(3, 4).double().requires_grad_() for _ in range(2))
    one, two = RowAdam([whole], lr=0.1), RowAdam([parts], lr=0.1)
    for number, gradient in enumerate(GRADIENTS):
        for parameter, optimizer in [(whole, one), (parts, two)]:
            parameter.grad = sparse([number % 2], gradient[None], 3)
            optimizer.step()
        saved = two.state_dict()
        two = RowAdam([parts], lr=0.1)
        two.load_state_dict(saved)
    assert torch.equal(whole, parts)
