"""The learning rates of tables and dense parameters, and moments that pass from one optimiser to another."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from asmg_pl.data import Sizes
from asmg_pl.recommenders import DeepFM, EmbeddingMLP, Recommender, TwoTower
from asmg_pl.updaters import Adagrad
from asmg_pl.updaters.optim.adam import Adam
from asmg_pl.updaters.optim.rates import Rates, adopted
from asmg_pl.updaters.optim.table_optimizers import optimizer_of

SIZES = Sizes(6, 7, 3)


class DenseFirst(EmbeddingMLP):
    """Has a parameter before its tables."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes)
        self.bias = nn.Parameter(torch.zeros(1))


def stepped(optimizer: Adam, steps: int = 3) -> Adam:
    draw = torch.Generator().manual_seed(0)
    for _ in range(steps):
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.randn(parameter.shape, generator=draw)
        optimizer.step()
    return optimizer


@pytest.mark.parametrize("kind", [EmbeddingMLP, DeepFM, TwoTower, DenseFirst])
def test_groups_keep_the_order_of_parameters_and_have_one_rate_each(kind: type[Recommender]) -> None:
    model = kind(SIZES)
    groups = Rates(dense=1e-3, tables=1e-2).groups(model)
    in_groups = [parameter for group in groups for parameter in group["params"]]
    assert all(a is b for a, b in zip(in_groups, model.parameters(), strict=True))
    tables = {id(table) for table in model.table_parameters().values()}
    for group in groups:
        assert {id(p) in tables for p in group["params"]} == {group["lr"] == 1e-2}


def test_without_a_rate_of_tables_the_optimiser_is_the_one_of_all_parameters() -> None:
    model = EmbeddingMLP(SIZES)
    ours, plain = optimizer_of(model, Rates(1e-3)), Adam(model.parameters(), lr=1e-3)
    assert repr(ours.state_dict()) == repr(plain.state_dict())


def test_rates_are_set_after_pre_training() -> None:
    model = EmbeddingMLP(SIZES)
    optimizer = optimizer_of(model, Rates(5e-3, tables=1e-2))
    Rates(1e-3, tables=2e-2).set(optimizer, model)
    assert [group["lr"] for group in optimizer.param_groups] == [2e-2, 1e-3]
    Rates(4e-3).set(optimizer, model)
    assert [group["lr"] for group in optimizer.param_groups] == [4e-3, 4e-3]


def test_two_equal_rates_move_parameters_as_one_does() -> None:
    one, two = EmbeddingMLP(SIZES), EmbeddingMLP(SIZES)
    two.load_state_dict(one.state_dict())
    stepped(optimizer_of(one, Rates(1e-2)))
    stepped(optimizer_of(two, Rates(1e-2, tables=1e-2)))
    for ours, theirs in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_moments_pass_into_other_groups() -> None:
    model = EmbeddingMLP(SIZES)
    plain = stepped(optimizer_of(model, Rates(1e-3)))
    apart = optimizer_of(model, Rates(1e-3, tables=1e-2))
    apart.load_state_dict(adopted(plain.state_dict(), apart))
    assert [group["lr"] for group in apart.param_groups] == [1e-2, 1e-3]
    assert all(group["steps"] == 3 for group in apart.param_groups)
    for parameter in model.parameters():
        assert torch.equal(plain.state[parameter]["exp_avg"], apart.state[parameter]["exp_avg"])


def test_tables_begin_anew_under_another_rule_and_dense_parameters_go_on() -> None:
    model = EmbeddingMLP(SIZES)
    plain = stepped(optimizer_of(model, Rates(1e-3)))
    other = optimizer_of(model, Rates(1e-3, tables=1e-2), Adagrad())
    other.load_state_dict(adopted(plain.state_dict(), other))
    assert [model.table("user") in other.state, model.mlp[0].weight in other.state] == [False, True]
    stepped(other)
    back = optimizer_of(model, Rates(1e-3, tables=1e-2))
    back.load_state_dict(adopted(other.state_dict(), back))
    assert [model.table("user") in back.state, model.mlp[0].weight in back.state] == [False, True]


def test_a_state_of_the_same_optimiser_is_taken_as_it_is() -> None:
    model = EmbeddingMLP(SIZES)
    for rule in (None, Adagrad()):
        optimizer = stepped(optimizer_of(model, Rates(1e-3, tables=1e-2), rule))
        saved = copy.deepcopy(optimizer.state_dict())
        assert repr(adopted(saved, optimizer)) == repr(saved)
