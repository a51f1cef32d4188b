"""Rows that wait for their steps: the numbers of dense Adam, whoever reads them and whenever."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.generators.kernels.compiled import cpp_compiler
from asmg_pl.recommenders import DeepFM, EmbeddingMLP, MatrixFactorization, Recommender, TwoTower
from asmg_pl.updaters import ADER, ASMG, EWC, SFTL, SML, FeSAIL, IncrementalUpdate, Retrain, SelfTuning, Updater
from asmg_pl.updaters.idle_steps import IdleSums
from asmg_pl.updaters.lazy_adam import LazyAdam
from asmg_pl.updaters.lazy_rows import LazyRows, NativeLazyRows
from asmg_pl.updaters.optim import Adam

SIZES = Sizes(users=50, items=60)
SUMS = IdleSums((0.9, 0.999))
KINDS = [LazyRows, *([NativeLazyRows] if cpp_compiler() else [])]
Walk = Callable[..., Updater]


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


# ---- the rows


@pytest.mark.parametrize("epsilon", [0.0, 1e-8, 1e-2])
@pytest.mark.parametrize("since", [0, 3, 40_000])
@pytest.mark.parametrize("steps", [1, 2, 30, 10_000])
def test_steps_without_a_gradient_add_up_to_those_taken_one_by_one(epsilon: float, since: int, steps: int) -> None:
    mean, root = torch.tensor([1e-3, -1e-5, 1e-9]).double(), torch.tensor([1e-2, 1e-4, 1e-8]).double()
    table, square = torch.zeros(1, 3).double(), root.square()[None].clone()
    rows = LazyRows(table, mean[None].clone(), square, SUMS, epsilon, since, rate=1.0)
    rows.now += steps
    rows.catch_up()
    t = since + torch.arange(1, steps + 1).double()[:, None]
    correction = (-torch.expm1(t * math.log(0.999))).sqrt() / -torch.expm1(t * math.log(0.9))
    idle = t - since
    moves = correction * 0.9**idle * mean / (0.999 ** (idle / 2) * root + epsilon)
    torch.testing.assert_close(table[0], -moves.sum(0), rtol=1e-9, atol=0)
    torch.testing.assert_close(square[0], root.square() * 0.999**steps, rtol=1e-9, atol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("width", "steps"), [(1, 300), (9, 300), pytest.param(8, 10_000, marks=pytest.mark.slow)])
def test_many_steps_are_nearer_to_the_exact_ones_than_dense_steps_are(
    kind: type[LazyRows], width: int, steps: int
) -> None:
    draw = torch.Generator().manual_seed(0)
    start = torch.randn(40, width, generator=draw) / 10
    exact, dense = start.double().requires_grad_(), start.clone().requires_grad_()
    ours, mean, square = start.clone(), torch.zeros_like(start), torch.zeros_like(start)
    rows = kind(ours, mean, square, SUMS, 1e-8, 0, rate=1e-3)
    adams = [(exact, Adam([exact], lr=1e-3)), (dense, Adam([dense], lr=1e-3))]
    chances = 5 / torch.arange(1, 41).float() ** 2  # a few rows in each step, most of them in few
    for _ in range(steps):
        touched = (torch.rand(40, generator=draw) < chances).nonzero().flatten()
        slopes = torch.randn(len(touched), width, generator=draw) * 10 ** (-7 * torch.rand(1, generator=draw))
        for parameter, optimizer in adams:
            parameter.grad = torch.zeros_like(parameter).index_copy(0, touched, slopes.to(parameter.dtype))
            optimizer.step()
        rows.read(touched.repeat(2))
        rows.step(touched, slopes, rate=1e-3)
    rows.catch_up()

    def error(found: Tensor) -> Tensor:
        return (found.double() - exact).detach().norm(dim=1) / exact.detach().norm(dim=1)

    assert float(error(ours).mean()) < 1e-6
    assert float(error(ours).mean()) < float(error(dense).mean())
    torch.testing.assert_close(mean.double(), adams[0][1].state[exact]["exp_avg"], rtol=1e-5, atol=1e-12)
    torch.testing.assert_close(square.double(), adams[0][1].state[exact]["exp_avg_sq"], rtol=1e-5, atol=1e-20)


@pytest.mark.parametrize("kind", KINDS)
def test_distinct_rows_ascend_and_each_id_has_its_place(kind: type[LazyRows]) -> None:
    table = torch.arange(5000.0)[:, None]
    rows = kind(table, torch.zeros_like(table), torch.zeros_like(table), SUMS, 1e-8, 0, rate=1.0)
    for number in range(3):
        ids = torch.randint(5000, (40, 7), generator=torch.Generator().manual_seed(number))
        found, vectors, places = rows.read(ids)
        found = found[: len(ids.unique())]
        vectors = vectors[: len(found)]
        assert torch.equal(vectors, table[found])
        assert torch.equal(found, ids.unique())
        assert torch.equal(found[places], ids)
    assert [len(part) for part in rows.read(ids[:0])] == [0, 0, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_catch_up_at_the_rate_of_the_steps_that_they_missed(kind: type[LazyRows]) -> None:
    table, mean, square = torch.zeros(2, 1), torch.ones(2, 1), torch.ones(2, 1)
    rows = kind(table, mean, square, SUMS, 1e-8, 10, rate=1.0)
    rows.step(torch.tensor([0]), torch.ones(1, 1), rate=1.0)
    rows.step(torch.tensor([0]), torch.ones(1, 1), rate=1e-9)
    first = -((1 - 0.999**11) ** 0.5) / (1 - 0.9**11) * 0.9 / 0.999**0.5
    torch.testing.assert_close(table[1], torch.tensor([first]), rtol=1e-5, atol=0)


# ---- the optimiser, and whoever reads tables


@pytest.mark.parametrize("kind", [EmbeddingMLP, MatrixFactorization, DeepFM, TwoTower])
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


# ---- walks

LONGER: list[tuple[Any, dict[str, Any]]] = [
    (IncrementalUpdate, {"gradient_clip": 0.05, "table_learning_rate": 3e-3, "passes": 2}),
    (IncrementalUpdate, {"self_tuning": SelfTuning()}),
    (IncrementalUpdate, {"precision": "bf16-mixed"}),
    (ASMG, {"window": 2}),
    (SML, {}),
    (ADER, {}),
    (Retrain, {}),
]


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (IncrementalUpdate, {}),
        (FeSAIL, {"gradient_clip": 0.05, "table_learning_rate": 3e-3}),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in LONGER),
    ],
)
def test_a_walk_has_the_numbers_of_dense_adam(short_walk: Walk, method: Any, options: dict[str, Any]) -> None:
    lazy, dense = (short_walk(method, lazy_tables=lazy, **options) for lazy in (True, False))
    assert isinstance(lazy.trainer.optimizers[0], LazyAdam)
    for period, result in dense.results.items():
        for model, scores in result.scores.items():
            assert lazy.results[period].scores[model]["logloss"] == pytest.approx(scores["logloss"], abs=2e-3)
    last = {name: value for name, value in dense.recommender.state_dict().items() if "tables" in name}
    for name, value in last.items():
        ours = lazy.recommender.state_dict()[name]
        assert float((ours - value).norm() / value.norm()) < (2e-2 if "precision" in options else 2e-4), name


@pytest.mark.parametrize("method", [EWC, SFTL])
def test_a_method_that_reads_whole_tables_in_each_step_takes_dense_steps(short_walk: Walk, method: Any) -> None:
    updater = short_walk(method, lazy_tables=True)
    assert updater.recommender.deferred is None


def test_a_walk_has_the_same_bytes_again(short_walk: Walk) -> None:
    one, two = (short_walk(IncrementalUpdate, lazy_tables=True) for _ in range(2))
    assert repr(one.results) == repr(two.results)
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name])
