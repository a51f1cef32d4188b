"""Rules of tables: Adagrad against torch's, and a walk with one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from asmg_pl.data import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.recommenders import EmbeddingMLP
from asmg_pl.updaters import Adagrad, IncrementalUpdate, Updater
from asmg_pl.updaters.optim.rates import Rates
from asmg_pl.updaters.optim.table_optimizers import optimizer_of

Walk = Callable[..., Updater]


@pytest.mark.parametrize("sparse", [False, True])
def test_tables_take_the_steps_of_torch_and_dense_parameters_those_of_adam(sparse: bool) -> None:
    ours, theirs = EmbeddingMLP(Sizes(6, 7, 3)), EmbeddingMLP(Sizes(6, 7, 3))
    theirs.load_state_dict(ours.state_dict())
    optimizer = optimizer_of(ours, Rates(1e-3, tables=0.1), Adagrad(initial_accumulator=0.2, epsilon=1e-6))
    tables = torch.optim.Adagrad(theirs.table_parameters().values(), 0.1, initial_accumulator_value=0.2, eps=1e-6)
    adam = optimizer_of(theirs, Rates(1e-3))
    draw = torch.Generator().manual_seed(0)
    for step in range(4):
        tabled = {id(table) for table in theirs.table_parameters().values()}
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            gradient = torch.randn(mine.shape, generator=draw)
            if id(other) in tabled:
                gradient[step % 2] = 0  # a row that no mini-batch touches
            other.grad = gradient.clone()
            mine.grad = gradient.to_sparse(1) if sparse and id(other) in tabled else gradient
        optimizer.step()
        tables.step()
        for table in theirs.table_parameters().values():
            table.grad = None
        adam.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)


def test_a_row_that_is_never_touched_stays() -> None:
    table, state = torch.ones(3, 2), dict[str, torch.Tensor]()
    gradient = torch.tensor([[1.0, 2.0], [0.0, 0.0], [3.0, 0.0]])
    Adagrad().move(table, gradient, state, rate=0.1)
    assert table[1].tolist() == [1, 1]
    assert state["sum"].tolist() == [[1, 4], [0, 0], [9, 0]]


def test_pre_training_by_adam_is_taken_over(short_walk: Walk, tmp_path: Path) -> None:
    before = short_walk(IncrementalUpdate, until=2)
    before.trainer.save_checkpoint(tmp_path / "pretrained.ckpt")
    given: dict[str, Any] = {"pretrained_model": str(tmp_path / "pretrained.ckpt")}
    plain, apart, twice = (
        short_walk(IncrementalUpdate, **given),
        short_walk(IncrementalUpdate, table_learning_rate=1e-2, table_optimizer=Adagrad(), **given),
        short_walk(IncrementalUpdate, table_learning_rate=1e-3, **given),
    )
    assert repr(plain.results[3]) == repr(apart.results[3]), "all are scored before they are trained"
    assert repr(plain.results[5]) != repr(apart.results[5])
    assert repr(plain.results) == repr(twice.results), "two equal rates are one"


def test_pre_training_can_be_by_adagrad_too(short_walk: Walk) -> None:
    updater = short_walk(IncrementalUpdate, table_learning_rate=1e-2, table_optimizer=Adagrad())
    (optimizer,) = updater.trainer.optimizers
    state = optimizer.state[updater.recommender.table("user")]
    assert state.keys() == {"step", "sum"}
    assert [group["lr"] for group in optimizer.param_groups] == [1e-2, 1e-3]


@pytest.mark.parametrize(("name", "value"), [("initial_accumulator", -1.0), ("epsilon", 0.0)])
def test_bad_constants_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"model\.table_optimizer\.{name} must"):
        Adagrad(**{name: value})


def test_a_bad_rate_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"model\.table_learning_rate must be positive, got 0"):
        IncrementalUpdate(Sizes(5, 5), table_learning_rate=0.0)
