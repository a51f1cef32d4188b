"""Adam whose rows wait: the numbers of dense Adam, whoever reads them and whenever."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.recommenders import DeepFM, EmbeddingMLP, Hashed, MatrixFactorization, Recommender, TwoTower
from asmg_pl.system.compiled import cpp_compiler
from asmg_pl.updaters import IncrementalUpdate, Updater
from asmg_pl.updaters.optim import lazy_adam
from asmg_pl.updaters.optim.lazy_adam import LazyAdam

SIZES = Sizes(users=50, items=60)


def a_batch(number: int) -> Batch:
    draw = torch.Generator().manual_seed(number)
    user, item = (torch.randint(n, (4,), generator=draw) for n in (SIZES.users, SIZES.items))
    history = torch.randint(SIZES.items, (4, 3), generator=draw)
    return Batch(user, item, history, torch.full((4,), 3), torch.tensor([0.0, 1.0]).repeat(2))


def stepped(updater: Updater, steps: int, first: int = 0) -> Any:
    optimizer: Any = updater.recommender.deferred if first else updater.configure_optimizers()[0]
    for number in range(first, first + steps):
        step(updater, optimizer, number)
    return optimizer


def step(updater: Updater, optimizer: torch.optim.Optimizer, number: int) -> None:
    optimizer.zero_grad()
    updater.cross_entropy(a_batch(number)).backward()
    optimizer.step()


def made(lazy: bool | None, **options: Any) -> IncrementalUpdate:
    torch.manual_seed(0)
    return IncrementalUpdate(SIZES, lazy_tables=lazy, **options)


def close(ours: Any, theirs: Any) -> None:
    """Equal up to the rounding of dense Adam."""
    for name, value in theirs.items():
        if isinstance(value, Tensor) and value.is_floating_point():
            largest = max(1e-6, float(value.abs().max()))
            torch.testing.assert_close(ours[name], value, rtol=0, atol=5e-6 * largest)


HASHED = partial(Hashed, users=20, items=30, recommender=MatrixFactorization)


@pytest.mark.parametrize("kind", [EmbeddingMLP, MatrixFactorization, DeepFM, TwoTower, HASHED])
def test_a_model_takes_the_steps_of_dense_adam(kind: Callable[[Sizes], Recommender]) -> None:
    lazy, dense = made(True, recommender=kind), made(False, recommender=kind)
    ours, theirs = stepped(lazy, 60), stepped(dense, 60)
    assert isinstance(ours, LazyAdam)
    assert all(lazy.recommender.stored(name).grad is None for name in lazy.recommender.tables)
    close(lazy.state_dict(), dense.state_dict())
    moments = ours.state_dict()["state"], theirs.state_dict()["state"]
    assert moments[0].keys() == moments[1].keys()
    for number, other in moments[1].items():
        assert moments[0][number]["step"] == other["step"] == 60
        close(moments[0][number], other)


@pytest.mark.parametrize(
    "read",
    [
        lambda updater: updater.recommender.table("item"),
        lambda updater: updater.recommender.table_parameters()["item"],
        lambda updater: dict(updater.recommender.named_parameters())["tables.item.weight"],
        lambda updater: dict(updater.named_parameters())["recommender.tables.item.weight"],
        lambda updater: updater.state_dict()["recommender.tables.item.weight"],
        lambda updater: updater.recommender.state_dict()["tables.item.weight"],
        lambda updater: copy.deepcopy(updater.recommender).stored("item"),
        lambda updater: updater.recommender.deferred.state_dict() and updater.recommender.stored("item"),
    ],
)
def test_whoever_reads_a_whole_table_reads_current_rows(read: Callable[[Any], Tensor]) -> None:
    lazy, dense = made(True), made(False)
    stepped(lazy, 30)
    stepped(dense, 30)
    behind = lazy.recommender.stored("item").detach().clone()
    found = read(lazy).detach()
    assert not torch.equal(found, behind), "rows were behind"
    close({"": found}, {"": dense.recommender.table("item").detach()})
    assert read(lazy) is not None, "and again"


def test_a_lookup_without_a_gradient_reads_current_rows() -> None:
    lazy, dense = made(True), made(False)
    stepped(lazy, 30)
    stepped(dense, 30)
    with torch.no_grad():
        for number in range(30, 40):
            close({"": lazy.recommender(a_batch(number))}, {"": dense.recommender(a_batch(number))})


def test_a_copy_has_no_optimiser_and_the_original_keeps_its_own() -> None:
    updater = made(True)
    optimizer = stepped(updater, 3)
    assert copy.deepcopy(updater.recommender).deferred is None
    assert updater.recommender.deferred is optimizer


def test_an_optimiser_goes_on_from_its_saved_state_to_the_same_bytes() -> None:
    whole, parts = made(True), made(True)
    stepped(whole, 20)
    whole.recommender.catch_up()
    stepped(whole, 20, first=20)
    saved = copy.deepcopy(stepped(parts, 20).state_dict()), copy.deepcopy(parts.state_dict())
    other = made(True)
    (optimizer,) = other.configure_optimizers()
    other.load_state_dict(saved[1])
    optimizer.load_state_dict(saved[0])
    stepped(other, 20, first=20)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])


def test_a_rate_that_changes_counts_from_the_next_step_on() -> None:
    lazy, dense = made(True, table_learning_rate=1e-2), made(False, table_learning_rate=1e-2)
    for updater in (lazy, dense):
        (optimizer,) = updater.configure_optimizers()
        for number in range(30):
            for group in optimizer.param_groups:
                group["lr"] = 1e-2 / (1 + number // 10)
            step(updater, optimizer, number)
    close(lazy.state_dict(), dense.state_dict())


def test_a_dense_gradient_makes_a_table_take_dense_steps() -> None:
    lazy, dense = made(True), made(False)
    for updater in (lazy, dense):
        (optimizer,) = updater.configure_optimizers()
        for number in range(20):
            optimizer.zero_grad()
            loss = updater.cross_entropy(a_batch(number))
            if number % 5 == 4:
                loss = loss + updater.recommender.table("user").square().sum()
            loss.backward()
            optimizer.step()
    close(lazy.state_dict(), dense.state_dict())


def test_a_step_without_a_gradient_of_a_table_leaves_it_where_it_is() -> None:
    lazy, dense = made(True), made(False)
    for updater in (lazy, dense):
        (optimizer,) = updater.configure_optimizers()
        for number in range(20):
            optimizer.zero_grad()
            if number % 5 == 4:
                weights = updater.recommender.dense_parameters().values()
                torch.stack([weight.square().sum() for weight in weights]).sum().backward()
            else:
                updater.cross_entropy(a_batch(number)).backward()
            optimizer.step()
    close(lazy.state_dict(), dense.state_dict())


@pytest.mark.parametrize("native", [True, False])
def test_the_gradients_of_micro_batches_add_up(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not native:
        monkeypatch.setattr(lazy_adam, "is_native", lambda *given: False)
    lazy, dense = made(True), made(False)
    for updater in (lazy, dense):
        (optimizer,) = updater.configure_optimizers()
        for number in range(20):
            optimizer.zero_grad()
            for micro in range(3):
                updater.cross_entropy(a_batch(3 * number + micro)).backward()
            optimizer.step()
    close(lazy.state_dict(), dense.state_dict())


def test_by_default_a_table_of_few_rows_takes_dense_steps() -> None:
    updater = made(None)
    stepped(updater, 1)
    assert all(updater.recommender.stored(name).grad is not None for name in updater.recommender.tables)


@pytest.mark.skipif(cpp_compiler() is None, reason="needs a C++ compiler")
def test_by_default_the_known_rows_of_a_large_table_wait() -> None:
    torch.manual_seed(0)
    updater = IncrementalUpdate(Sizes(users=16_384, items=16_384))
    updater.recommender.known = {"user": 16_384, "item": 16_383}
    stepped(updater, 1)
    assert [updater.recommender.stored(name).grad is None for name in ("user", "item")] == [True, False]
